# Vivado HLS and Vitis HLS.

source [file join $here hls_interface.tcl]
set top ""
vendor open_project {args} { set ::project [lindex $args end]; file mkdir $::project }
vendor set_top {name} { set ::top $name }
vendor add_files {args} {
    foreach file $args {
        if {[string match ../* $file] && ![file exists $file]} { error "no file $file" }
    }
}
vendor open_solution {args} { set ::solution $::project/[lindex $args end] }
foreach name {set_part create_clock set_clock_uncertainty config_compile config_schedule
        config_array_partition} {
    vendor $name {args} {}
}
proc results {name} {
    set in [open ../hls/tb_data/expected.dat]
    set text [read $in]
    close $in
    if {$::mood eq "wrong_results"} { set text [regsub {\d+} $text 77] }
    write $::solution/work/tb_data/$name [string trimright $text]
}
vendor csim_design {args} { results csim_results.log }
vendor csynth_design {args} {
    set report $::solution/syn/report/${::top}_csynth
    set dsp [expr {[string match 2020* $::release] ? "DSP48E" : "DSP"}]
    if {$::mood eq "silent"} {
        write $report.xml "<profile></profile>"
        write $report.rpt "nothing"
        return
    }
    write $report.xml "<profile>
<ReportVersion><Version>$::release</Version></ReportVersion>
<UserAssignments><TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>8.419</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>410</Best-caseLatency><Worst-caseLatency>922</Worst-caseLatency>
<Interval-min>288</Interval-min><Interval-max>800</Interval-max></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>7</BRAM_18K><$dsp>12</$dsp><FF>6001</FF><LUT>9002</LUT><URAM>0</URAM></Resources></AreaEstimates>
</profile>"
    write $report.rpt "* Version:        $::release"
}
vendor export_design {args} {
    write_interface $::solution/impl/ip [dict get $args -ipname] $::top ../hls/firmware/$::top.cpp
}
vendor cosim_design {args} {
    results rtl_cosim_results.log
    set status [expr {$::mood eq "mismatch" ? "Fail" : "Pass"}]
    write $::solution/sim/report/${::top}_cosim.rpt "
|   RTL    |  Status  | min | avg | max | min | avg | max |
|      VHDL|        NA|   NA|   NA|   NA|   NA|   NA|   NA|
|   Verilog|      $status|  411|  500|  921|  288|  300|  800|"
}
