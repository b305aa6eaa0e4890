# The AXI4-Lite ports of an HLS core as the tools make them of its top function: read from the C++
# source, laid out by the rules seen in public headers, written as driver header and component.xml.

# Arguments that have an s_axilite pragma, in order of declaration, as {bundle register words is_array}.
# A bundle that only controls the function is {bundle "" 0 0}.
proc lite_arguments {file top} {
    set handle [open $file]
    set text [read $handle]
    close $handle
    set pattern [string map [list TOP $top] {void\s+TOP\s*\(([^)]*)\)\s*\x7b(.*)$}]
    if {![regexp $pattern $text all arguments body]} {
        error "\[HLS 200-70\] no function $top in $file"
    }
    array set bundle {}
    foreach {line port name} [regexp -all -inline -line \
            {#pragma HLS INTERFACE s_axilite port=(\w+) bundle=(\w+)$} $body] {
        set bundle($port) $name
    }
    set found {}
    foreach argument [split_arguments $arguments] {
        if {![regexp {^(?:const\s+)?(.*?)\s*(?:&\s*)?(\w+)(?:\[(\d+)\])?$} $argument all type name count]} {
            error "\[HLS 200-70\] cannot read argument $argument"
        }
        if {![info exists bundle($name)]} { continue }
        lassign [words_of $type] words own
        # Vivado HLS marks arguments of its own integer types.
        set register [expr {$count ne "" ? "Memory_$name" : $name}]
        if {$own && $::tool eq "vivado_hls"} { append register _V }
        if {$count ne ""} {
            if {$words != 1} { error "fake HLS packs no arrays of $type" }
            set words $count
        }
        lappend found [list $bundle($name) $register $words [expr {$count ne ""}]]
        unset bundle($name)
    }
    if {[info exists bundle(return)]} {
        set found [linsert $found 0 [list $bundle(return) "" 0 0]]
        unset bundle(return)
    }
    if {[array size bundle]} { error "\[HLS 200-70\] no argument [array names bundle] for an interface" }
    return $found
}

# At commas outside angle brackets.
proc split_arguments {text} {
    set found {}
    set depth 0
    set word ""
    foreach character [split $text ""] {
        incr depth [expr {$character eq "<" ? 1 : $character eq ">" ? -1 : 0}]
        if {$character eq "," && !$depth} {
            lappend found [string trim $word]
            set word ""
        } else {
            append word $character
        }
    }
    if {[string trim $word] ne ""} { lappend found [string trim $word] }
    return $found
}

# 32-bit words of a type, and whether it is one of the tool's own.
proc words_of {type} {
    if {$type in {bool char short int unsigned float "unsigned int"}} { return {1 0} }
    if {$type in {"long long" "unsigned long long" double}} { return {2 0} }
    if {[regexp {^ap_u?int<\s*(\d+)\s*>$} $type all bits]} { return [list [expr {($bits + 31) / 32}] 1] }
    error "fake HLS knows no argument of type $type"
}

# {register first_byte bytes is_array} of each argument of a bundle: control words come first; a scalar
# has one word to spare; an array has its size, and its place is a multiple of that, as a power of two.
proc lite_layout {arguments} {
    set found {}
    set end 16
    foreach argument $arguments {
        lassign $argument bundle register words is_array
        if {$register eq ""} { continue }
        set size [expr {4 * $words + ($is_array ? 0 : 4)}]
        if {$is_array} {
            set power 1
            while {$power < $size} { set power [expr {2 * $power}] }
            set size $power
            set end [expr {($end + $size - 1) / $size * $size}]
        }
        lappend found [list $register $end $size $is_array]
        incr end $size
    }
    return $found
}

proc header_text {top bundle layout} {
    set prefix X[string toupper ${top}_$bundle]
    set lines [list "// $bundle" "#define ${prefix}_ADDR_AP_CTRL 0x00"]
    foreach place $layout {
        lassign $place register start size is_array
        set name [string toupper [regsub {^Memory_} $register ""]]
        if {$is_array} {
            lappend lines [format "#define %s_ADDR_%s_BASE 0x%x" $prefix $name $start]
            lappend lines [format "#define %s_ADDR_%s_HIGH 0x%x" $prefix $name [expr {$start + $size - 1}]]
        } else {
            lappend lines [format "#define %s_ADDR_%s_DATA 0x%x" $prefix $name $start]
        }
    }
    return [join $lines \n]
}

proc component_text {name bundle layout} {
    set range 16
    foreach place $layout { set range [expr {[lindex $place 1] + [lindex $place 2]}] }
    set power 64
    while {$power < $range} { set power [expr {2 * $power}] }
    set registers {}
    foreach place [linsert $layout 0 {CTRL 0 4 0}] {
        lassign $place register start
        append registers "<spirit:register><spirit:name>$register</spirit:name>" \
            "<spirit:addressOffset>$start</spirit:addressOffset>" \
            "<spirit:size spirit:format=\"long\">32</spirit:size></spirit:register>\n"
    }
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<spirit:component xmlns:spirit=\"http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009\">
<spirit:vendor>semifreddo</spirit:vendor>
<spirit:name>$name</spirit:name>
<spirit:memoryMaps><spirit:memoryMap><spirit:name>s_axi_$bundle</spirit:name><spirit:addressBlock>
<spirit:name>Reg</spirit:name>
<spirit:baseAddress spirit:format=\"long\">0</spirit:baseAddress>
<spirit:range spirit:format=\"long\">$power</spirit:range>
$registers</spirit:addressBlock></spirit:memoryMap></spirit:memoryMaps>
</spirit:component>"
}

# Driver header and component.xml of the top function, into the folder of the exported IP.
proc write_interface {folder name top file} {
    set arguments [lite_arguments $file $top]
    set bundles [lsort -unique [lmap argument $arguments {lindex $argument 0}]]
    if {[llength $bundles] != 1} { error "fake HLS wants one AXI4-Lite port, not: $bundles" }
    set layout [lite_layout $arguments]
    write $folder/drivers/${top}_v1_0/src/x${top}_hw.h [header_text $top $bundles $layout]
    write $folder/component.xml [component_text $name $bundles $layout]
}
