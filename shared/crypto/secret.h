// Secret: text that is wiped from memory when it goes away and never prints itself.
// Source: ours. Thread: a value. Bounds: none.
// Invariant: every buffer a Secret ever held is overwritten before it is freed or left behind by a
// move. There is no operator<<, no conversion to a string and no log field of it; Reveal() is the
// one way to the text, so `grep Reveal` lists every use.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace aurora::crypto {

// Overwrites and empties `text`, also the small buffer inside the object.
void Wipe(std::string& text);

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  // Takes the text and wipes the source.
  static Secret Take(std::string& text) {
    Secret secret{std::string_view(text)};
    Wipe(text);
    return secret;
  }
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept : text_(other.text_.data(), other.text_.size()) {
    Wipe(other.text_);
  }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      Wipe(text_);
      text_ = other.text_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Wipe(text_);
      text_.assign(other.text_.data(), other.text_.size());
      Wipe(other.text_);
    }
    return *this;
  }
  ~Secret() { Wipe(text_); }

  std::string_view Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  size_t size() const { return text_.size(); }
  // For people to recognise it: the first `head` and last four characters, "****" when it is too
  // short for that to hide enough.
  std::string Redacted(size_t head = 0) const;

 private:
  std::string text_;
};

}  // namespace aurora::crypto
