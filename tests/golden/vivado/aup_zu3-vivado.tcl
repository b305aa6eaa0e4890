# hls
open_project -reset hls
set_top tiny
add_files ../hls/firmware/tiny.cpp -cflags -std=c++0x
open_solution -reset solution1
set_part xczu3eg-sfvc784-2-e
create_clock -period 10 -name default
set_clock_uncertainty 12.5% default
config_compile -name_max_length 80
config_schedule -enable_dsp_full_reg=false
config_array_partition -maximum_size 4096
csynth_design
export_design -format ip_catalog -vendor semifreddo -library semifreddo -ipname tiny -version 1.0 -display_name tiny

# cosim
open_project hls
set_top tiny
add_files -tb ../hls/tiny_test.cpp -cflags -std=c++0x
add_files -tb ../hls/tb_data
add_files -tb ../hls/firmware/weights
open_solution solution1
csim_design
add_files -tb ../hls/tiny_test.cpp -cflags {-std=c++0x -DRTL_SIM}
cosim_design -trace_level none

# block_design
create_project -force semifreddo vivado -part xczu3eg-sfvc784-2-e
set_property ip_repo_paths ROOT/ip project
update_ip_catalog -rebuild
create_bd_design system
create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e zynq_ultra_ps_e_0
set_property -dict {CONFIG.PSU__PSS_REF_CLK__FREQMHZ 33.333 CONFIG.PSU__FPGA_PL0_ENABLE 1 CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100 CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0 CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 CONFIG.PSU__USE__S_AXI_GP2 1 CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 CONFIG.PSU__USE__IRQ0 1} /zynq_ultra_ps_e_0
create_bd_cell -type ip -vlnv semifreddo:semifreddo:tiny:1.0 semifreddo_0
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset proc_sys_reset_0
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma axi_dma_0
set_property -dict {CONFIG.c_include_sg 0 CONFIG.c_sg_length_width 26 CONFIG.c_addr_width 32 CONFIG.c_include_mm2s 1 CONFIG.c_m_axi_mm2s_data_width 32 CONFIG.c_m_axis_mm2s_tdata_width 32 CONFIG.c_mm2s_burst_size 16 CONFIG.c_include_s2mm 1 CONFIG.c_m_axi_s2mm_data_width 32 CONFIG.c_s2mm_burst_size 16} /axi_dma_0
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_intc axi_intc_0
set_property -dict {CONFIG.C_IRQ_CONNECTION 1} /axi_intc_0
create_bd_cell -type ip -vlnv xilinx.com:ip:xlconcat xlconcat_0
set_property -dict {CONFIG.NUM_PORTS 3} /xlconcat_0
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect smartconnect_ctrl
set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 3} /smartconnect_ctrl
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect smartconnect_mem
set_property -dict {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1} /smartconnect_mem
connect_bd_intf_net /zynq_ultra_ps_e_0/M_AXI_HPM0_FPD /smartconnect_ctrl/S00_AXI
connect_bd_intf_net /smartconnect_ctrl/M00_AXI /axi_dma_0/S_AXI_LITE
connect_bd_intf_net /smartconnect_ctrl/M01_AXI /axi_intc_0/s_axi
connect_bd_intf_net /smartconnect_ctrl/M02_AXI /semifreddo_0/s_axi_control
connect_bd_intf_net /axi_dma_0/M_AXI_MM2S /smartconnect_mem/S00_AXI
connect_bd_intf_net /axi_dma_0/M_AXI_S2MM /smartconnect_mem/S01_AXI
connect_bd_intf_net /smartconnect_mem/M00_AXI /zynq_ultra_ps_e_0/S_AXI_HP0_FPD
connect_bd_intf_net /axi_dma_0/M_AXIS_MM2S /semifreddo_0/image
connect_bd_intf_net /semifreddo_0/result /axi_dma_0/S_AXIS_S2MM
connect_bd_net /axi_dma_0/mm2s_introut /xlconcat_0/In0
connect_bd_net /axi_dma_0/s2mm_introut /xlconcat_0/In1
connect_bd_net /semifreddo_0/interrupt /xlconcat_0/In2
connect_bd_net /xlconcat_0/dout /axi_intc_0/intr
connect_bd_net /axi_intc_0/irq /zynq_ultra_ps_e_0/pl_ps_irq0
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /proc_sys_reset_0/slowest_sync_clk
connect_bd_net /zynq_ultra_ps_e_0/pl_resetn0 /proc_sys_reset_0/ext_reset_in
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /zynq_ultra_ps_e_0/maxihpm0_fpd_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /zynq_ultra_ps_e_0/saxihp0_fpd_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /smartconnect_ctrl/aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /smartconnect_mem/aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /axi_dma_0/s_axi_lite_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /axi_dma_0/m_axi_mm2s_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /axi_dma_0/m_axi_s2mm_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /axi_intc_0/s_axi_aclk
connect_bd_net /zynq_ultra_ps_e_0/pl_clk0 /semifreddo_0/ap_clk
connect_bd_net /proc_sys_reset_0/peripheral_aresetn /smartconnect_ctrl/aresetn
connect_bd_net /proc_sys_reset_0/peripheral_aresetn /smartconnect_mem/aresetn
connect_bd_net /proc_sys_reset_0/peripheral_aresetn /axi_dma_0/axi_resetn
connect_bd_net /proc_sys_reset_0/peripheral_aresetn /axi_intc_0/s_axi_aresetn
connect_bd_net /proc_sys_reset_0/peripheral_aresetn /semifreddo_0/ap_rst_n
assign_bd_address -offset 0xa0000000 -range 0x00010000 -target_address_space /zynq_ultra_ps_e_0/Data /axi_dma_0/S_AXI_LITE/Reg -force
assign_bd_address -offset 0xa0010000 -range 0x00010000 -target_address_space /zynq_ultra_ps_e_0/Data /axi_intc_0/S_AXI/Reg -force
assign_bd_address -offset 0xa0400000 -range 0x00010000 -target_address_space /zynq_ultra_ps_e_0/Data /semifreddo_0/s_axi_control/Reg -force
assign_bd_address -offset 0x00000000 -range 0x80000000 -target_address_space /axi_dma_0/Data_MM2S /zynq_ultra_ps_e_0/SAXIGP2/HP0_DDR_LOW -force
exclude_bd_addr_seg -target_address_space /axi_dma_0/Data_MM2S /zynq_ultra_ps_e_0/SAXIGP2/HP0_LPS_OCM
exclude_bd_addr_seg -target_address_space /axi_dma_0/Data_MM2S /zynq_ultra_ps_e_0/SAXIGP2/HP0_QSPI
assign_bd_address -offset 0x00000000 -range 0x80000000 -target_address_space /axi_dma_0/Data_S2MM /zynq_ultra_ps_e_0/SAXIGP2/HP0_DDR_LOW -force
exclude_bd_addr_seg -target_address_space /axi_dma_0/Data_S2MM /zynq_ultra_ps_e_0/SAXIGP2/HP0_LPS_OCM
exclude_bd_addr_seg -target_address_space /axi_dma_0/Data_S2MM /zynq_ultra_ps_e_0/SAXIGP2/HP0_QSPI
validate_bd_design
save_bd_design
make_wrapper -files system.bd -top -import
set_property top system_wrapper sources_1
add_files -fileset constrs_1 -norecurse ../constraints/board.xdc
generate_target all system.bd
update_compile_order -fileset sources_1
close_project

# synth
open_project vivado/semifreddo.xpr
reset_run synth_1
launch_runs synth_1 -jobs 2
wait_on_run synth_1
open_run synth_1
report_utilization -file ../reports/utilization_synth.rpt
close_project

# impl
open_project vivado/semifreddo.xpr
reset_run impl_1
set_property strategy {Vivado Implementation Defaults} impl_1
launch_runs impl_1 -to_step route_design -jobs 2
wait_on_run impl_1
open_run impl_1
report_utilization -file ../reports/utilization.rpt
report_utilization -hierarchical -file ../reports/utilization_hierarchical.rpt
report_timing_summary -file ../reports/timing_summary.rpt
close_project

# bitstream
open_project vivado/semifreddo.xpr
open_run impl_1
write_bitstream -force ../out/tiny.bit
close_project

