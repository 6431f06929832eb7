// Pull decoder for one HTTP/1.x message at a time, strict enough that no two parsers can disagree
// on its end. Source: RFC 9112; head grammar by llhttp in strict mode; body framing ours. Smuggling
// table in tests/shared/http. Thread: pure; one thread.   Memory: ~120 bytes per connection, plus a
// stash only while a head straddles reads. Bounds: Limits. Nothing is allocated when a head arrives
// in one read. Errors: sticky; Error carries the status to answer (requests) or 502 (responses).
// Invariant: any chunking of the same bytes gives the same events (body slices joined) and the same
// error.
//
//   while (true) switch (decoder.Next(in)) {          // consumes from the front of `in`
//     kNeedMore: wait for bytes (in is empty now)     kHead: decoder.head()      kBody:
//     decoder.body() kEnd: the message is over; `in` holds pipelined bytes; Reset() before the next
//     message     kError: error()
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/http/message.h"

namespace aurora::http {

struct Limits {
  size_t head_bytes_max = 64 * 1024;
  size_t target_bytes_max = 16 * 1024;
  size_t chunk_extension_bytes_max = 1024;  // per chunk
  size_t trailer_bytes_max = 16 * 1024;
};

// Where a decoder puts the head it has just parsed. Shared by all decoders of one loop.
struct HeadScratch {
  Head head;
};

struct Error {
  int status = 0;  // what to answer: 400, 414, 417, 431, 501, 505; 502 from a response decoder
  std::string_view reason;  // stable machine word, e.g. "content_length_conflict"
  std::string_view text;    // one sentence for people
};

class Decoder {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };
  enum class Event : uint8_t { kNeedMore, kHead, kBody, kEnd, kError };

  // Requires: limits and scratch outlive the decoder.
  Decoder(Kind kind, const Limits& limits, HeadScratch* scratch);

  // Consumes from the front of `in` and reports the next event.
  Event Next(std::string_view& in);

  // Valid right after kHead, until the bytes passed to that Next are reused, or any decoder that
  // shares the scratch decodes another head. Copy what must outlive that.
  const Head& head() const { return scratch_->head; }
  // Valid right after kBody: a slice of the bytes passed to Next.
  std::string_view body() const { return body_; }
  const Error& error() const { return error_; }

  // The response that comes next has no body whatever its headers say (it answers a HEAD).
  // Call before its head is decoded; cleared by Reset. 1xx, 204 and 304 need no call.
  void ExpectNoBody() { no_body_ = true; }

  // The connection has been closed by the sender: kEnd for an until-close body, kNeedMore when idle
  // (clean close between messages), kError when a message was cut short.
  Event Eof();

  // True before the first byte of a message.
  bool idle() const { return state_ == State::kHead && stash_.empty(); }
  // Bytes still to come of a body that Content-Length delimits; else 0.
  uint64_t length_left() const { return state_ == State::kLength ? remaining_ : 0; }
  // True when the message is complete, until Reset. Next reports kEnd then, however often it is
  // called.
  bool done() const { return state_ == State::kDone; }
  // Ready for the next message. Also forgets an error.
  void Reset();

 private:
  enum class State : uint8_t {
    kHead,
    kLength,
    kUntilClose,
    kChunkSize,
    kChunkExtension,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kLastLf,
    kDone,
    kFailed,
  };

  Event NextHead(std::string_view& in);
  Event NextChunked(std::string_view& in);
  Event NextBodySlice(std::string_view& in);
  bool ChunkSizeByte(unsigned char c);
  bool ChunkFramingByte(unsigned char c);
  bool TrailerByte(unsigned char c);
  // Scans lines of `bytes` from scanned_ on. Returns the head's length, or 0 for "not yet" or
  // "failed".
  size_t ScanLines(std::string_view bytes);
  bool LineMayBegin(char c);
  Event ParseHead(std::string_view bytes);
  Event BeginBody();
  Event Fail(int status, std::string_view reason, std::string_view text);

  const Kind kind_;
  State state_ = State::kHead;
  bool no_body_ = false;
  uint8_t chunk_digits_ = 0;
  uint8_t blank_lines_ = 0;
  uint32_t scanned_ = 0;     // bytes of the head already scanned for line ends
  uint32_t line_start_ = 0;  // where the line being scanned began
  uint32_t line_count_ = 0;
  uint32_t extra_bytes_ = 0;  // chunk extension or trailer bytes so far
  uint64_t remaining_ = 0;    // body or chunk bytes still to come
  const Limits& limits_;
  HeadScratch* const scratch_;
  std::string_view body_;
  std::string stash_;  // the head's bytes when it straddles reads
  Error error_;
};

}  // namespace aurora::http
