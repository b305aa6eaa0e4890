# The vendor's vocabulary as tables: which properties, values, segments, commands and options there are.

proc vocabulary {name} {
    set handle [open [file join [file dirname $::vocabulary_at] vocabulary $name.txt]]
    set rows {}
    foreach line [split [read $handle] \n] {
        if {$line ne "" && ![string match "#*" $line]} { lappend rows [split $line |] }
    }
    close $handle
    return $rows
}
set vocabulary_at [file normalize [info script]]

proc between {since until} {
    return [expr {($since eq "-" || [package vcompare $::release $since] >= 0)
        && ($until eq "-" || [package vcompare $::release $until] <= 0)}]
}

# Options of the commands of this version; an option is name, name* (no value) or name=a,b.
array set options_of {}
foreach row [vocabulary commands] {
    lassign $row whose command options since until
    if {$whose eq [expr {$::tool eq "vivado" ? "vivado" : "hls"}] && [between $since $until]} {
        set options_of($command) $options
    }
}

proc check_options {command words} {
    if {![info exists ::options_of($command)]} {
        error "\[Common 17-37\] $command: no such command in $::release"
    }
    while {[llength $words]} {
        set words [lassign $words word]
        if {![regexp {^-[a-z]} $word]} { continue }
        if {[regexp {^(-\w+)=(.*)$} $word all name value]} { set words [linsert $words 0 $value]; set word $name }
        if {$word in {-quiet -verbose}} { continue }
        set found [lsearch -inline -regexp $::options_of($command) "^$word\(\\*|=.*)?\$"]
        if {$found eq ""} { error "\[Common 17-170\] Unknown option '$word' of $command" }
        if {[string match *\\* $found]} { continue }
        if {![llength $words]} { error "\[Common 17-163\] Missing value for option '$word' of $command" }
        set words [lassign $words value]
        if {[regexp {=(.*)$} $found all values] && $value ni [split $values ,]} {
            error "\[Common 17-161\] Invalid option value '$value' for '$word' of $command"
        }
    }
}

# Properties of IPs: values, default and condition by "ip property".
array set known_property {}
array set known_ip {}
foreach row [vocabulary properties] {
    lassign $row ip property values default condition since until
    if {[between $since $until]} {
        set known_ip($ip) 1
        set known_property([list $ip $property]) [list $values $default $condition]
    }
}

proc is_allowed {value values} {
    if {$values eq "any"} { return 1 }
    if {$values eq "number"} { return [string is double -strict $value] }
    if {[regexp {^(\d+)\.\.(\d+)$} $values all low high]} {
        return [expr {[string is integer -strict $value] && $value >= $low && $value <= $high}]
    }
    return [expr {$value in [split $values ,]}]
}

proc value_of {cell property} {
    if {[info exists ::set_value([list $cell $property])]} { return $::set_value([list $cell $property]) }
    return [lindex $::known_property([list [kind $cell] $property]) 1]
}

# What set_property CONFIG.* does to a cell: all values of a dict count before conditions are looked at.
proc set_config {cell values} {
    set ip [kind $cell]
    foreach {name value} $values {
        regsub {^CONFIG\.} $name {} property
        if {![info exists ::known_property([list $ip $property])]} {
            error "\[BD 5-94\] no property $name of $ip in $::release"
        }
        if {![is_allowed $value [lindex $::known_property([list $ip $property]) 0]]} {
            error "\[IP_Flow 19-3461\] value '$value' is out of the range for $name of $ip"
        }
        set ::set_value([list $cell $property]) $value
    }
    foreach {name value} $values {
        regsub {^CONFIG\.} $name {} property
        lassign [split [lindex $::known_property([list $ip $property]) 2] =] other wanted
        if {$other ne "-" && [value_of $cell $other] ne $wanted} {
            error "\[BD 41-721\] attempt to set value '$value' on disabled parameter '$property' of $ip"
        }
    }
}

proc segments_of {cell} {
    set found {}
    foreach row [vocabulary segments] {
        lassign $row ip port segment
        if {$ip eq [kind $cell] && ($port eq "-" || [value_of $cell $port] eq "1")} {
            lappend found /$cell/$segment
        }
    }
    return $found
}
