#include "controlplane/dashboard/assets.h"

#include <cstdint>

#include "shared/base/status.h"

extern "C" {
extern const char aurora_dashboard_blob[];
extern const char aurora_dashboard_blob_end[];
}

namespace aurora::dashboard {
namespace {

constexpr std::string_view kMagic = "AURDASH1";

// Reads the blob front to back; `good` falls once something is missing and stays down.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  uint32_t Number() {
    const std::string_view bytes = Take(4);
    uint32_t out = 0;
    for (const char c : bytes) {
      out = out << 8 | static_cast<uint8_t>(c);
    }
    return out;
  }
  std::string_view Text() { return Take(Number()); }
  std::string_view Take(size_t n) {
    if (!good_ || rest_.size() < n) {
      good_ = false;
      return {};
    }
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

absl::StatusOr<Assets> Assets::Parse(std::string_view blob) {
  Reader reader(blob);
  if (reader.Take(kMagic.size()) != kMagic) {
    return DataLoss("the dashboard's files do not begin as such");
  }
  Assets out;
  const uint32_t count = reader.Number();
  for (uint32_t i = 0; i < count && reader.good(); ++i) {
    const std::string_view path = reader.Text();
    Asset asset;
    asset.type = reader.Text();
    asset.immutable = reader.Take(1) == "\x01";
    asset.etag = reader.Text();
    asset.plain = reader.Text();
    asset.gzip = reader.Text();
    out.files_.emplace(path, asset);
  }
  if (!reader.good() || !reader.at_end()) {
    return DataLoss("the dashboard's files are cut or followed by something else");
  }
  return out;
}

const Asset* Assets::Find(std::string_view path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

std::string_view EmbeddedBlob() {
  return {aurora_dashboard_blob, static_cast<size_t>(aurora_dashboard_blob_end - aurora_dashboard_blob)};
}

}  // namespace aurora::dashboard
