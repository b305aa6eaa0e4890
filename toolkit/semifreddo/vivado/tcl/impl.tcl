# Vivado: placement, routing and the timing of the result.

source [file join [file dirname [info script]] common.tcl]

open_project vivado/semifreddo.xpr
reset_run impl_1
finish_run impl_1 -to_step route_design
open_run impl_1
report_utilization -file ../reports/utilization.rpt
report_utilization -hierarchical -file ../reports/utilization_hierarchical.rpt
report_timing_summary -file ../reports/timing_summary.rpt
close_project
