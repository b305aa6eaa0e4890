# Vivado: synthesis.

source [file join [file dirname [info script]] common.tcl]

open_project vivado/semifreddo.xpr
reset_run synth_1
finish_run synth_1
open_run synth_1
report_utilization -file ../reports/utilization_synth.rpt
close_project
