// JsonParser: the reusable memory of a simdjson parser, without its header.
// Source: simdjson 3 on-demand. Thread: one loop. Bounds: keeps the memory of documents up to 1 MiB; what a larger
// one needed is given back by Trim().
#pragma once

#include <cstddef>
#include <memory>

namespace aurora::llm {

// Bytes that must be readable after every document.
inline constexpr size_t kJsonPadding = 64;

class JsonParser {
 public:
  JsonParser();
  ~JsonParser();
  JsonParser(const JsonParser&) = delete;
  JsonParser& operator=(const JsonParser&) = delete;

  struct Impl;  // json_impl.h, for the .cc files of this module only
  Impl& impl() { return *impl_; }
  // Called after each document.
  void Trim();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurora::llm
