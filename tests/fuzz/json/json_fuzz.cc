// Request scan: offsets delimit what they claim, and the edited body scans as one that asks for usage.
#include <cstdint>
#include <string>

#include "dataplane/llm/json_scan.h"
#include "shared/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora::llm;
  JsonParser parser;
  std::string text(reinterpret_cast<const char*>(data), size);
  text.append(kJsonPadding, '"');
  RequestScan scan;
  ScanRequest(parser, std::string_view(text).substr(0, size), scan);
  if (scan.error != ScanError::kNone) {
    return 0;
  }
  if (scan.has_model) {
    AURORA_CHECK(scan.model_at.begin < scan.model_at.end && scan.model_at.end <= size);
    AURORA_CHECK(text[scan.model_at.begin] == '"' && text[scan.model_at.end - 1] == '"');
  }
  AURORA_CHECK(scan.usage_at.begin <= scan.usage_at.end && scan.usage_at.end <= size);
  if (scan.usage_edit != UsageEdit::kNone) {
    const bool empty = scan.empty_object;
    std::string edited(reinterpret_cast<const char*>(data), size);
    edited.replace(scan.usage_at.begin, scan.usage_at.end - scan.usage_at.begin,
                   UsageEditText(scan.usage_edit, empty));
    const size_t edited_size = edited.size();
    edited.append(kJsonPadding, '"');
    RequestScan again;
    JsonParser second;
    ScanRequest(second, std::string_view(edited).substr(0, edited_size), again);
    AURORA_CHECK(again.error == ScanError::kNone);
    AURORA_CHECK(again.usage_edit == UsageEdit::kNone);
    AURORA_CHECK(again.stream == scan.stream && again.has_model == scan.has_model);
  }
  return 0;
}
