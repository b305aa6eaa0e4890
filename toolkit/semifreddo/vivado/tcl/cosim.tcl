# Vivado HLS or Vitis HLS: C simulation and co-simulation with the project's own test bench, which
# compares every result with the golden vectors and fails if one differs.

source [file join [file dirname [info script]] common.tcl]

# The test bench writes its results into the folder in which the tool runs it, somewhere below hls.
proc find_file {folder name} {
    foreach entry [glob -nocomplain -directory $folder *] {
        if {[file tail $entry] eq $name} { return $entry }
        if {[file isdirectory $entry]} {
            set found [find_file $entry $name]
            if {$found ne ""} { return $found }
        }
    }
    return ""
}

# Results of an earlier run must not be taken for this one's.
proc drop_results {name kept} {
    file delete ../reports/$kept
    while {[set found [find_file hls $name]] ne ""} {
        file delete $found
    }
}

proc keep_results {name kept} {
    set found [find_file hls $name]
    if {$found ne ""} {
        copy_file $found ../reports/$kept
    }
}

set top [setting hls_top]
open_project hls
set_top $top
add_files -tb ../hls/${top}_test.cpp -cflags [setting hls_cflags]
add_files -tb ../hls/tb_data
add_files -tb ../hls/firmware/weights
open_solution solution1
drop_results csim_results.log csim_results.log
drop_results rtl_cosim_results.log cosim_results.log
csim_design
keep_results csim_results.log csim_results.log
add_files -tb ../hls/${top}_test.cpp -cflags "[setting hls_cflags] -DRTL_SIM"
cosim_design -trace_level none
keep_results rtl_cosim_results.log cosim_results.log
copy_file hls/solution1/sim/report/${top}_cosim.rpt ../reports/cosim.rpt
exit
