// semifreddo: the AXI4-Stream ports. An image is its raw values in (height, width, channel) order,
// little-endian, in lanes of 8, 16, 32 or 64 bits (the next size that holds a value), packed into
// 32-bit words: what a DMA reads from an array of uint8, int16, int32 or int64. The last word of an
// image may be partly filled; TLAST on the image port is not looked at. A result is its raw values
// as 32-bit (or 64-bit) integers, sign or zero extended, with TLAST on the last word of the last
// frame of a start.
#ifndef SEMIFREDDO_AXIS_H_
#define SEMIFREDDO_AXIS_H_

#include "ap_axi_sdata.h"
#include "hls_stream.h"
#include "nnet_common.h"
#include "semifreddo_types.h"

namespace semifreddo {

typedef ap_axiu<32, 1, 1, 1> axis_word;

template <class value_T> struct image_lane {
    static const int width = format<value_T>::width;
    static const int bits = width <= 8 ? 8 : (width <= 16 ? 16 : (width <= 32 ? 32 : 64));
};

template <class value_T> struct result_lane {
    static const int bits = format<value_T>::width <= 32 ? 32 : 64;
};

// Words of one image, or of one result.
template <class data_T, unsigned PIXELS> struct port_words {
    static const unsigned image = (PIXELS * data_T::size * image_lane<typename data_T::value_type>::bits + 31) / 32;
    static const unsigned result = PIXELS * data_T::size * result_lane<typename data_T::value_type>::bits / 32;
};

// Unpacks an image, one value per cycle. Values move through registers at constant places: a tool
// may keep an array with a variable index in a memory, which gives a pixel in many cycles.
template <class data_T, unsigned PIXELS>
void receive_frame(hls::stream<axis_word> &port, hls::stream<data_T> &pixels) {
    #pragma HLS INLINE
    typedef typename data_T::value_type value_t;
    const int bits = image_lane<value_t>::bits;
    const int buffer_bits = bits > 32 ? bits : 32;
    ap_uint<buffer_bits> buffer = 0;
    unsigned left = 0; // bits in the buffer
    unsigned channel = 0;
    value_t values[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=values complete
Values:
    for (unsigned i = 0; i < PIXELS * data_T::size; i++) {
        #pragma HLS PIPELINE
        if (left == 0) {
            buffer.range(31, 0) = port.read().data;
            if (bits > 32) {
                buffer.range(buffer_bits - 1, buffer_bits - 32) = port.read().data;
            }
            left = buffer_bits;
        }
    Shift:
        for (unsigned c = 0; c + 1 < data_T::size; c++) {
            #pragma HLS UNROLL
            values[c] = values[c + 1];
        }
        values[data_T::size - 1].range(format<value_t>::width - 1, 0) = buffer.range(format<value_t>::width - 1, 0);
        if (bits < buffer_bits) {
            buffer = buffer >> (bits % buffer_bits);
        }
        left -= bits;
        if (channel == data_T::size - 1) {
            data_T pixel;
            PRAGMA_DATA_PACK(pixel)
        Pixel:
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                pixel[c] = values[c];
            }
            pixels.write(pixel);
            channel = 0;
        } else {
            channel++;
        }
    }
}

template <class data_T, unsigned PIXELS>
void receive(hls::stream<axis_word> &port, hls::stream<data_T> &pixels, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        receive_frame<data_T, PIXELS>(port, pixels);
    }
}

// Sends a result, one value per cycle, through registers at constant places.
template <class data_T, unsigned PIXELS>
void send_frame(hls::stream<data_T> &pixels, hls::stream<axis_word> &port, bool last_frame) {
    #pragma HLS INLINE
    typedef typename data_T::value_type value_t;
    const int bits = result_lane<value_t>::bits;
    unsigned channel = 0;
    value_t values[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=values complete
Values:
    for (unsigned i = 0; i < PIXELS * data_T::size; i++) {
        #pragma HLS PIPELINE
        if (channel == 0) {
            const data_T pixel = pixels.read();
        Pixel:
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                values[c] = pixel[c];
            }
        }
        const ap_int<bits> value = raw(values[0]);
    Shift:
        for (unsigned c = 0; c + 1 < data_T::size; c++) {
            #pragma HLS UNROLL
            values[c] = values[c + 1];
        }
        const bool last = last_frame && i == PIXELS * data_T::size - 1;
        axis_word word;
        word.keep = -1;
        word.strb = -1;
        word.user = 0;
        word.id = 0;
        word.dest = 0;
        word.data = value.range(31, 0);
        word.last = last && bits == 32;
        port.write(word);
        if (bits > 32) {
            word.data = value.range(bits - 1, bits - 32);
            word.last = last;
            port.write(word);
        }
        channel = channel == data_T::size - 1 ? 0 : channel + 1;
    }
}

template <class data_T, unsigned PIXELS>
void send(hls::stream<data_T> &pixels, hls::stream<axis_word> &port, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        send_frame<data_T, PIXELS>(pixels, port, frame + 1 == frames);
    }
}

#ifndef __SYNTHESIS__
// What a DMA does, for C simulation: raw values into an image port.
template <class data_T, unsigned PIXELS> void put_image(const long long *values, hls::stream<axis_word> &port) {
    const unsigned bits = image_lane<typename data_T::value_type>::bits;
    unsigned long long gathered = 0;
    unsigned filled = 0;
    for (unsigned i = 0; i < PIXELS * data_T::size; i++) {
        const unsigned long long value = (unsigned long long)values[i];
        gathered = bits == 64 ? value : gathered | ((value & ((1ULL << (bits % 64)) - 1)) << filled);
        filled += bits;
        while (filled >= 32 || (filled > 0 && i + 1 == PIXELS * data_T::size)) {
            axis_word word = axis_word();
            word.data = (unsigned)gathered;
            port.write(word);
            gathered >>= 32;
            filled = filled > 32 ? filled - 32 : 0;
        }
    }
}

// Raw values of frames out of a result port; false if words are missing or too many, or TLAST is not
// where it belongs.
template <class data_T, unsigned PIXELS>
bool take_results(hls::stream<axis_word> &port, long long *values, unsigned frames) {
    const unsigned per_value = result_lane<typename data_T::value_type>::bits / 32;
    const size_t count = size_t(frames) * PIXELS * data_T::size;
    for (size_t i = 0; i < count; i++) {
        long long value = 0;
        for (unsigned part = 0; part < per_value; part++) {
            if (port.empty()) {
                return false;
            }
            const axis_word word = port.read();
            const unsigned bits = word.data.to_uint();
            value = part == 0 ? (long long)(int)bits : (long long)((unsigned long long)bits << 32 | (unsigned)value);
            const bool last = i + 1 == count && part + 1 == per_value;
            if (bool(word.last) != last) {
                return false;
            }
        }
        const bool is_signed = format<typename data_T::value_type>::is_signed;
        values[i] = per_value == 1 && !is_signed ? (long long)(unsigned)value : value;
    }
    return port.empty();
}
#endif

} // namespace semifreddo
#endif
