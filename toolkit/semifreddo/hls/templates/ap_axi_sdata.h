// semifreddo: stands in for the HLS tool's header of this name when compiling with plain g++.
#ifndef AP_AXI_SDATA_H_
#define AP_AXI_SDATA_H_

#include "ap_int.h"

template <int D, int U, int TI, int TD> struct ap_axiu {
    ap_uint<D> data;
    ap_uint<(D + 7) / 8> keep;
    ap_uint<(D + 7) / 8> strb;
    ap_uint<U> user;
    ap_uint<1> last;
    ap_uint<TI> id;
    ap_uint<TD> dest;
};

#endif
