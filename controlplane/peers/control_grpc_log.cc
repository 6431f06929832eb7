#include "controlplane/peers/control_grpc_log.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

#include <grpc/support/log.h>

#include "shared/log/log.h"

namespace aurora::peers {
namespace {

constexpr std::string_view kNoSuchName = "No match found for server name";

std::atomic<int64_t> next_line_ns{0};
std::atomic<uint64_t> left_out{0};

void OnLine(gpr_log_func_args* line) {
  const std::string_view text = line->message;
  if (text.substr(0, kNoSuchName.size()) == kNoSuchName) {
    return;
  }
  const int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  int64_t due = next_line_ns.load();
  const int64_t after = now + std::chrono::steady_clock::duration(std::chrono::seconds(1)).count();
  if (now < due || !next_line_ns.compare_exchange_strong(due, after)) {
    left_out.fetch_add(1);
    return;
  }
  log::Warn("gRPC: " + std::string(text), {{"left_out_before", left_out.exchange(0)}});
}

}  // namespace

void RouteGrpcLog() {
  static std::once_flag once;
  std::call_once(once, [] { gpr_set_log_function(&OnLine); });
}

}  // namespace aurora::peers
