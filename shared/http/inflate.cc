#include "shared/http/inflate.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <zlib.h>

namespace aurora::http {
namespace {

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

constexpr int kAutoDetect = 15 + 32;  // largest window, gzip or zlib header

}  // namespace

absl::StatusOr<std::string> Inflate(std::string_view compressed, size_t output_bytes_max) {
  if (compressed.size() > std::numeric_limits<uInt>::max()) {
    return ResourceExhausted("compressed body too large");
  }
  z_stream stream{};
  if (inflateInit2(&stream, kAutoDetect) != Z_OK) {
    return Internal("zlib could not start");
  }
  const std::unique_ptr<z_stream, EndInflate> guard(&stream);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());

  std::string out;
  while (true) {
    // One byte beyond the limit tells "exactly full" from "too large".
    const size_t room = std::min<size_t>(std::max<size_t>(out.size(), 16 * 1024),
                                         output_bytes_max + 1 - out.size());
    const size_t before = out.size();
    out.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    const int rc = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > output_bytes_max) {
      return ResourceExhausted("decompressed body over the limit");
    }
    if (rc == Z_STREAM_END) {
      if (stream.avail_in == 0) {
        return out;
      }
      // RFC 1952 2.2: members may follow one another.
      if (inflateReset(&stream) != Z_OK) {
        return Internal("zlib could not restart");
      }
      continue;
    }
    if (rc != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return InvalidArgument(rc == Z_OK ? "compressed body is truncated"
                                        : "compressed body is malformed");
    }
  }
}

}  // namespace aurora::http
