# What every stage uses. A stage runs in work/, everything else is seen from there as ../.

source [file join [file dirname [info script]] settings.tcl]

proc setting {key} {
    global settings
    return [dict get $settings $key]
}

# An option given as name=value behind -tclargs.
proc argument {name default} {
    global argv
    if {[info exists argv]} {
        foreach word $argv {
            if {[string match "$name=*" $word]} {
                return [string range $word [string length "$name="] end]
            }
        }
    }
    return $default
}

proc only_file {args} {
    set found {}
    foreach pattern $args {
        lappend found {*}[glob -nocomplain $pattern]
    }
    if {[llength $found] != 1} {
        error "semifreddo: expected one file like [join $args { or }], found [llength $found]"
    }
    return [lindex $found 0]
}

# "file copy" would keep the time stamp, by which the driver knows new files from old ones.
proc copy_file {from to} {
    file mkdir [file dirname $to]
    set in [open $from rb]
    set out [open $to wb]
    fcopy $in $out
    close $out
    close $in
}

# Run a Vivado run up to a step and insist on its success; launch_runs itself reports none.
proc finish_run {run args} {
    launch_runs $run {*}$args -jobs [argument jobs 2]
    wait_on_run $run
    set status [get_property STATUS [get_runs $run]]
    if {![string match "*Complete*" $status]} {
        error "semifreddo: $run ended with '$status'; see work/vivado/semifreddo.runs/$run/runme.log"
    }
}
