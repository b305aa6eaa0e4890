# Plays Vivado, Vivado HLS and Vitis HLS for the tests: runs their scripts in a plain tclsh, records
# every vendor command, and leaves files behind like the real ones. It is stricter than an unknown
# handler that accepts anything: an unknown command, option, property, value or address segment (see
# vocabulary/), a pin that a cell does not have, a pin that is left open, and a run that is launched
# though it is complete are errors. What the tools are called, print and write was written down from their
# public documentation; the reports are small re-creations, not copies.
#
# Environment:
#   FAKE_XILINX          "stage=mood ...": exit1, nothing, hang, no_space, old_hls, timing, budget,
#                        silent (reports without figures), run_failed, mismatch (cosim), killed (at its end),
#                        second_try (timing met with the second strategy), other_clock, little_memory
#   FAKE_XILINX_BANNER   what -version prints instead
#   FAKE_XILINX_VERSION  what it says it is, instead of 2020.1 (2024.1 for the Vitis tools)
#   FAKE_XILINX_RECORD   folder that gets <stage>.tcl with the recorded commands
#   FAKE_XILINX_HWH      file that is used as the hardware description

set tool [lindex $argv 0]
set words [lrange $argv 1 end]

proc environment {name default} {
    return [expr {[info exists ::env($name)] ? $::env($name) : $default}]
}

set release [environment FAKE_XILINX_VERSION [expr {[string match vitis* $tool] ? "2024.1" : "2020.1"}]]

if {[lindex $words 0] in {-version --version}} {
    if {[info exists ::env(FAKE_XILINX_BANNER)]} { puts $::env(FAKE_XILINX_BANNER); exit 0 }
    switch $tool {
        vivado { puts "Vivado v$release (64-bit)\nSW Build 1 on a day" }
        vivado_hls { puts "\n****** Vivado(TM) HLS - High-Level Synthesis v$release (64-bit)" }
        default { puts "\n****** $tool v$release (64-bit)" }
    }
    exit 0
}

# The script and its arguments.
switch $tool {
    vivado {
        foreach flag {-mode batch -nojournal -nolog -notrace -source -tclargs} {
            if {$flag ni $words} { puts stderr "ERROR: fake vivado wants $flag"; exit 1 }
        }
        set script [lindex $words [expr {[lsearch $words -source] + 1}]]
        set argv [lrange $words [expr {[lsearch $words -tclargs] + 1}] end]
    }
    vitis-run {
        if {[lrange $words 0 2] ne "--mode hls --tcl"} { puts stderr "ERROR: usage"; exit 1 }
        set script [lindex $words 3]
        set argv {}
    }
    default {
        if {[lindex $words 0] ne "-f"} { puts stderr "ERROR: usage"; exit 1 }
        set script [lindex $words 1]
        set argv {}
    }
}
set stage [file rootname [file tail $script]]
set mood ""
foreach entry [environment FAKE_XILINX ""] {
    if {[lindex [split $entry =] 0] eq $stage} { set mood [lindex [split $entry =] 1] }
}
puts "fake $tool $release: $stage"
switch $mood {
    exit1 { puts "ERROR: \[Fake 1-1\] something went wrong in $stage"; exit 1 }
    nothing { exit 0 }
    hang { after 600000; exit 0 }
    no_space { puts "ERROR: cannot write: No space left on device"; exit 1 }
    old_hls { puts "ERROR: bad lexical cast: source type value could not be interpreted as target"; exit 1 }
}

# Recording. Places differ from machine to machine, so they are named.
set root [file normalize ..]
set recorded {}
proc record {words} {
    lappend ::recorded [string map [list $::root ROOT] $words]
}
proc write_record {} {
    set folder [environment FAKE_XILINX_RECORD ""]
    if {$folder ne ""} {
        file mkdir $folder
        set handle [open [file join $folder $::stage.tcl] w]
        puts $handle [join $::recorded \n]
        close $handle
    }
}

proc write {path text} {
    file mkdir [file dirname $path]
    set handle [open $path w]
    puts $handle $text
    close $handle
}

# vendor NAME ARGS BODY: a command that is recorded before it acts.
proc vendor {name arguments body} {
    proc $name {args} "record \[linsert \$args 0 $name\]; check_options $name \$args; return \[::act::$name {*}\$args\]"
    namespace eval ::act {}
    proc ::act::$name $arguments $body
}

rename exit really_exit
proc exit {{code 0}} { write_record; really_exit $code }
proc unknown {args} {
    puts stderr "ERROR: \[Fake 1-2\] invalid command name \"[lindex $args 0]\""
    really_exit 1
}

set here [file dirname [info script]]
source [file join $here vocabulary.tcl]
if {$tool eq "vivado"} {
    source [file join $here fake_vivado.tcl]
} else {
    source [file join $here fake_hls.tcl]
}
if {[catch {source $script} message options]} {
    puts stderr "ERROR: $message\n[dict get $options -errorinfo]"
    exit 1
}
write_record
if {$mood eq "killed"} { exec kill -9 [pid] }
