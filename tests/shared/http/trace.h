// Runs a decoder over bytes cut at chosen places and writes what it reported as one string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/http/decoder.h"

namespace aurora::http {

inline const Limits& DefaultLimits() {
  static const Limits limits;
  return limits;
}

inline std::string HeadText(const Head& head) {
  std::string out = std::string(head.method_text) + " " + std::string(head.target) + " " +
                    std::to_string(head.status) + " 1." + std::to_string(head.minor_version) +
                    " body=" + std::to_string(static_cast<int>(head.body)) + ":" +
                    std::to_string(head.content_length) + (head.keep_alive ? " keep" : " close") +
                    (head.expect_continue ? " expect" : "") + (head.upgrade ? " upgrade" : "");
  for (const Header& header : head.all()) {
    out += "|" + std::string(header.name) + "=" + std::string(header.value);
  }
  return out;
}

// Feeds `parts` one after another, message after message. Body slices are joined; kNeedMore leaves
// no trace.
inline std::string Trace(Decoder::Kind kind, const std::vector<std::string_view>& parts, bool eof,
                         const Limits& limits = DefaultLimits()) {
  HeadScratch scratch;
  Decoder decoder(kind, limits, &scratch);
  std::string out;
  std::string body;
  const auto step = [&](Decoder::Event event) {
    switch (event) {
      case Decoder::Event::kHead:
        out += "HEAD " + HeadText(decoder.head()) + "\n";
        break;
      case Decoder::Event::kBody:
        body += decoder.body();
        break;
      case Decoder::Event::kEnd:
        out += "BODY " + body + "\nEND\n";
        body.clear();
        decoder.Reset();
        break;
      case Decoder::Event::kError:
        out += "BODY " + body + "\nERROR " + std::to_string(decoder.error().status) + " " +
               std::string(decoder.error().reason) + "\n";
        return false;
      case Decoder::Event::kNeedMore:
        return false;
    }
    return true;
  };
  for (std::string_view part : parts) {
    // A copy of exactly the part, so that a sanitizer sees any read beyond it.
    const std::vector<char> copy(part.begin(), part.end());
    std::string_view in(copy.data(), copy.size());
    while (step(decoder.Next(in))) {
    }
    if (decoder.error().status != 0) {
      return out;
    }
  }
  if (eof && (decoder.idle() || step(decoder.Eof()))) {
    out += "CLOSED\n";
  }
  return out;
}

}  // namespace aurora::http
