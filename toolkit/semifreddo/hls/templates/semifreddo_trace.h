// semifreddo: with -DSEMIFREDDO_TRACE the C simulation can keep every layer's raw stream.
#ifndef SEMIFREDDO_TRACE_H_
#define SEMIFREDDO_TRACE_H_

#if defined(SEMIFREDDO_TRACE) && !defined(__SYNTHESIS__)
#include <vector>

#include "hls_stream.h"
#include "semifreddo_types.h"

namespace semifreddo {

extern bool trace_enabled;
extern std::vector<long long> trace_sink;

template <class data_T> void trace(hls::stream<data_T> &stream, unsigned words) {
    if (!trace_enabled) {
        return;
    }
    for (unsigned i = 0; i < words; i++) {
        const data_T value = stream.read();
        for (unsigned c = 0; c < data_T::size; c++) {
            trace_sink.push_back((long long)raw(value[c]));
        }
        stream.write(value);
    }
}

} // namespace semifreddo
#define SEMIFREDDO_TRACE_STREAM(stream, words) semifreddo::trace(stream, words);
#else
#define SEMIFREDDO_TRACE_STREAM(stream, words)
#endif

#endif
