// LZW as Go's compress/lzw writes it: least significant bit first, literals of 8 bits, codes of 9 to 12 bits.
// Source: the GIF/compress family, read off Go's encoder; the bytes we write are the ones it would write.
// Thread: stateless. Bounds: decoding keeps at most `limit` bytes of output (its buffer may hold twice that while it
// grows) and 64 KiB of table. Errors: InvalidArgument for a code that means nothing or a missing end; ResourceExhausted
// over the limit. Bytes after the end code are ignored, as Go does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::gossipwire {

std::string LzwEncode(std::string_view plain);
absl::StatusOr<std::string> LzwDecode(std::string_view packed, size_t limit);

}  // namespace aurora::gossipwire
