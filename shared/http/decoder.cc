#include "shared/http/decoder.h"

#include <algorithm>
#include <cstring>

#include "shared/http/encoder.h"
#include "shared/http/head_parser.h"

namespace aurora::http {
namespace {

// Room in the first line for the method and the version beside the target.
constexpr size_t kRequestLineExtra = 64;
// RFC 9112 2.2: a server skips an empty line or so before a request; more is abuse.
constexpr uint8_t kBlankLinesMax = 4;
// ScanLines found an empty line where a start line should be.
constexpr size_t kBlankLine = SIZE_MAX;
// 15 hexadecimal digits: below 2^60, so no sum can overflow.
constexpr uint8_t kChunkDigitsMax = 15;

int HexDigit(unsigned char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool IsText(unsigned char c) {
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

bool IsTokenByte(unsigned char c) {
  const char byte = static_cast<char>(c);
  return IsToken({&byte, 1});
}

}  // namespace

Decoder::Decoder(Kind kind, const Limits& limits, HeadScratch* scratch)
    : kind_(kind), limits_(limits), scratch_(scratch) {}

void Decoder::Reset() {
  state_ = State::kHead;
  no_body_ = false;
  blank_lines_ = 0;
  scanned_ = line_start_ = line_count_ = 0;
  remaining_ = 0;
  body_ = {};
  if (!stash_.empty()) {
    std::string().swap(stash_);  // an idle connection keeps no buffer
  }
  error_ = {};
}

Decoder::Event Decoder::Fail(int status, std::string_view reason, std::string_view text) {
  state_ = State::kFailed;
  body_ = {};
  error_ = Error{kind_ == Kind::kRequest ? status : 502, reason, text};
  return Event::kError;
}

Decoder::Event Decoder::Next(std::string_view& in) {
  switch (state_) {
    case State::kHead:
      return NextHead(in);
    case State::kLength:
    case State::kUntilClose:
      return NextBodySlice(in);
    case State::kDone:
      return Event::kEnd;
    case State::kFailed:
      return Event::kError;
    default:
      return NextChunked(in);
  }
}

Decoder::Event Decoder::Eof() {
  if (state_ == State::kUntilClose) {
    state_ = State::kDone;
    return Event::kEnd;
  }
  if (state_ == State::kFailed) {
    return Event::kError;
  }
  if (state_ == State::kDone) {
    return Event::kEnd;
  }
  if (idle()) {
    return Event::kNeedMore;
  }
  return Fail(400, "truncated", "The connection closed in the middle of a message.");
}

size_t Decoder::ScanLines(std::string_view bytes) {
  const char* const data = bytes.data();
  const size_t size = bytes.size();
  // Tells TLS or garbage on a plain port apart at its first byte.
  if (scanned_ == 0 && size > 0 && data[0] != '\r' && data[0] != '\n' &&
      !IsTokenByte(static_cast<unsigned char>(data[0]))) {
    Fail(400, "bad_syntax", "This is not HTTP.");
    return 0;
  }
  // The first line has a limit of its own; the head's covers the others.
  size_t limit = limits_.head_bytes_max;
  if (line_count_ == 0) {
    limit = std::min(limit, limits_.target_bytes_max + kRequestLineExtra);
  }
  size_t line = line_start_;
  for (size_t at = scanned_; at < size;) {
    const void* found = std::memchr(data + at, '\n', size - at);
    const size_t end =
        found == nullptr ? size : static_cast<size_t>(static_cast<const char*>(found) - data) + 1;
    if (end > limit) {
      if (line_count_ == 0) {
        Fail(414, "target_too_long", "The request target is too long.");
      } else {
        Fail(431, "head_too_large", "The head is too large.");
      }
      return 0;
    }
    at = end;
    if (found == nullptr) {
      break;
    }
    if (end < 2 || data[end - 2] != '\r') {
      Fail(400, "bare_lf", "A line must end with CR LF.");
      return 0;
    }
    if (end - line == 2) {
      return line_count_ == 0 ? kBlankLine : end;
    }
    if (!LineMayBegin(data[line])) {
      return 0;
    }
    line = end;
    limit = limits_.head_bytes_max;
    if (++line_count_ > kHeadersMax + 1) {
      Fail(431, "too_many_headers", "Too many headers.");
      return 0;
    }
  }
  scanned_ = static_cast<uint32_t>(size);
  line_start_ = static_cast<uint32_t>(line);
  return 0;
}

bool Decoder::LineMayBegin(char c) {
  switch (c) {
    case ' ':
    case '\t':
      Fail(400, "folded_header", "A header must not continue on the next line.");
      return false;
    case ':':
      // llhttp skips a header without a name silently.
      Fail(400, "bad_syntax", "A header lacks its name.");
      return false;
    default:
      return true;
  }
}

Decoder::Event Decoder::NextHead(std::string_view& in) {
  if (scanned_ == 0 && stash_.empty()) {
    if (const size_t size = ParseUsualHead(kind_, limits_, in, &scratch_->head); size > 0) {
      in.remove_prefix(size);
      return BeginBody();
    }
  }
  while (true) {
    const size_t before = stash_.size();
    size_t taken = in.size();
    if (before > 0) {
      // Never more than one byte over the limit: ScanLines fails there.
      taken = std::min(taken, limits_.head_bytes_max + 1 - before);
      stash_.append(in.data(), taken);
    }
    const size_t head_size = ScanLines(before > 0 ? std::string_view(stash_) : in);
    if (state_ == State::kFailed) {
      in = {};
      return Event::kError;
    }
    if (head_size == 0) {
      if (before == 0) {
        stash_.assign(in.data(), in.size());
      }
      in.remove_prefix(taken);
      return Event::kNeedMore;
    }
    if (head_size == kBlankLine) {
      if (kind_ == Kind::kResponse || ++blank_lines_ > kBlankLinesMax) {
        return Fail(400, "bad_syntax", "Empty lines instead of a start line.");
      }
      in.remove_prefix(2 - before);  // before is 0 or 1: the stash holds at most "\r"
      stash_.clear();
      scanned_ = line_start_ = 0;
      if (in.empty()) {
        return Event::kNeedMore;
      }
      continue;
    }
    in.remove_prefix(head_size - before);
    if (before == 0) {
      return ParseHead({in.data() - head_size, head_size});
    }
    stash_.resize(head_size);
    return ParseHead(stash_);
  }
}

Decoder::Event Decoder::ParseHead(std::string_view bytes) {
  Head& head = scratch_->head;
  if (Error error; !http::ParseHead(kind_, limits_, bytes, &head, &error)) {
    return Fail(error.status, error.reason, error.text);
  }
  return BeginBody();
}

Decoder::Event Decoder::BeginBody() {
  Head& head = scratch_->head;
  if (no_body_ && kind_ == Kind::kResponse) {
    if (head.body == Head::Body::kUntilClose) {
      head.keep_alive = true;  // no body, so nothing the close would have to delimit
      for (const Header& header : head.all()) {
        if (header.id == HeaderId::kConnection && HasToken(header.value, "close")) {
          head.keep_alive = false;
        }
      }
      head.keep_alive = head.keep_alive && head.minor_version == 1;
    }
    head.body = Head::Body::kNone;
  }
  switch (head.body) {
    case Head::Body::kNone:
      state_ = State::kDone;
      break;
    case Head::Body::kLength:
      remaining_ = head.content_length;
      state_ = remaining_ == 0 ? State::kDone : State::kLength;
      break;
    case Head::Body::kChunked:
      remaining_ = 0;
      chunk_digits_ = 0;
      extra_bytes_ = 0;
      state_ = State::kChunkSize;
      break;
    case Head::Body::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
  return Event::kHead;
}

Decoder::Event Decoder::NextBodySlice(std::string_view& in) {
  if (in.empty()) {
    return Event::kNeedMore;
  }
  if (state_ == State::kUntilClose) {
    body_ = in;
    in.remove_prefix(in.size());
    return Event::kBody;
  }
  const size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_, in.size()));
  body_ = in.substr(0, size);
  in.remove_prefix(size);
  remaining_ -= size;
  if (remaining_ == 0) {
    // The end of a chunk is not the end of the body.
    state_ = state_ == State::kLength ? State::kDone : State::kChunkDataCr;
  }
  return Event::kBody;
}

Decoder::Event Decoder::NextChunked(std::string_view& in) {
  while (!in.empty()) {
    if (state_ == State::kChunkData) {
      return NextBodySlice(in);
    }
    const auto c = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    bool ok = false;
    switch (state_) {
      case State::kChunkSize:
        ok = ChunkSizeByte(c);
        break;
      case State::kChunkExtension:
      case State::kChunkSizeLf:
      case State::kChunkDataCr:
      case State::kChunkDataLf:
        ok = ChunkFramingByte(c);
        break;
      default:
        ok = TrailerByte(c);
        break;
    }
    if (!ok) {
      in = {};
      return Event::kError;
    }
    if (state_ == State::kDone) {
      return Event::kEnd;
    }
  }
  return Event::kNeedMore;
}

// chunk-size [ ";" extension ] CRLF
bool Decoder::ChunkSizeByte(unsigned char c) {
  if (const int digit = HexDigit(c); digit >= 0) {
    if (++chunk_digits_ > kChunkDigitsMax) {
      Fail(400, "bad_chunk", "The chunk size is too large.");
      return false;
    }
    remaining_ = remaining_ * 16 + static_cast<uint64_t>(digit);
    return true;
  }
  if (chunk_digits_ == 0 || (c != '\r' && c != ';')) {
    Fail(400, "bad_chunk", "The chunk size is malformed.");
    return false;
  }
  state_ = c == '\r' ? State::kChunkSizeLf : State::kChunkExtension;
  extra_bytes_ = 0;
  return true;
}

bool Decoder::ChunkFramingByte(unsigned char c) {
  if (state_ == State::kChunkExtension) {
    if (c == '\r') {
      state_ = State::kChunkSizeLf;
      return true;
    }
    if (!IsText(c)) {
      Fail(400, "bad_chunk", "A chunk extension is malformed.");
      return false;
    }
    if (++extra_bytes_ > limits_.chunk_extension_bytes_max) {
      Fail(400, "chunk_extension_too_large", "A chunk extension is too large.");
      return false;
    }
    return true;
  }
  if (c != (state_ == State::kChunkDataCr ? '\r' : '\n')) {
    Fail(400, "bad_chunk", "A chunk must end with CR LF.");
    return false;
  }
  switch (state_) {
    case State::kChunkSizeLf:
      state_ = remaining_ == 0 ? State::kTrailerStart : State::kChunkData;
      extra_bytes_ = 0;
      break;
    case State::kChunkDataCr:
      state_ = State::kChunkDataLf;
      break;
    default:
      state_ = State::kChunkSize;
      chunk_digits_ = 0;
      break;
  }
  return true;
}

// *( token ":" text CRLF ) CRLF. Trailers are checked and dropped: nothing may smuggle a header
// behind a body.
bool Decoder::TrailerByte(unsigned char c) {
  if (++extra_bytes_ > limits_.trailer_bytes_max) {
    Fail(431, "trailer_too_large", "The trailers are too large.");
    return false;
  }
  bool ok = false;
  switch (state_) {
    case State::kTrailerStart:
      ok = c == '\r' || IsTokenByte(c);
      state_ = c == '\r' ? State::kLastLf : State::kTrailerName;
      break;
    case State::kTrailerName:
      ok = c == ':' || IsTokenByte(c);
      state_ = c == ':' ? State::kTrailerValue : State::kTrailerName;
      break;
    case State::kTrailerValue:
      ok = c == '\r' || IsText(c);
      state_ = c == '\r' ? State::kTrailerLf : State::kTrailerValue;
      break;
    case State::kTrailerLf:
      ok = c == '\n';
      state_ = State::kTrailerStart;
      break;
    default:
      ok = c == '\n';
      state_ = State::kDone;
      break;
  }
  if (!ok) {
    Fail(400, "bad_trailer", "A trailer is malformed.");
  }
  return ok;
}

}  // namespace aurora::http
