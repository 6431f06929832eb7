// Base64, base64url and hex text.
// Source: RFC 4648 sections 4, 5, 8. Thread: stateless. Bounds: none but memory.
// Errors: decoding answers nullopt for a foreign character, wrong padding or non-zero trailing
// bits, so a byte string has exactly one accepted text. Base64 is padded; base64url is not and its
// decoder refuses padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aurora::crypto {

std::string Base64Encode(std::string_view bytes);
std::optional<std::string> Base64Decode(std::string_view text);

std::string Base64UrlEncode(std::string_view bytes);
std::optional<std::string> Base64UrlDecode(std::string_view text);

std::string HexLower(std::string_view bytes);
// Either case; nullopt for an odd length or a foreign character.
std::optional<std::string> HexDecode(std::string_view text);

}  // namespace aurora::crypto
