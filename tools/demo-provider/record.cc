#include "tools/demo-provider/record.h"

#include <algorithm>
#include <utility>

#include "tools/demo-provider/ask.h"

namespace aurora::demo {
namespace {

constexpr size_t kArrivalsMax = 1'000'000;
constexpr size_t kCancellationsMax = 100'000;

}  // namespace

void Record::Arrived(Arrival arrival) {
  arrival.seq = ++requests_;
  arrivals_.push_back(std::move(arrival));
  if (arrivals_.size() > kArrivalsMax) {
    arrivals_.pop_front();
  }
}

void Record::Answered(int64_t input_tokens, int64_t output_tokens) {
  input_tokens_ += input_tokens;
  output_tokens_ += output_tokens;
}

void Record::Cancelled(int64_t t_ns, const std::string& request_id) {
  cancellations_.push_back({t_ns, request_id});
  if (cancellations_.size() > kCancellationsMax) {
    cancellations_.pop_front();
  }
}

std::string Record::ArrivalsJson(uint64_t since) const {
  Json list = Json::array();
  auto it = std::upper_bound(arrivals_.begin(), arrivals_.end(), since,
                             [](uint64_t seq, const Arrival& arrival) { return seq < arrival.seq; });
  for (; it != arrivals_.end(); ++it) {
    list.push_back({{"seq", it->seq},
                    {"t_ns", it->t_ns},
                    {"node", it->node},
                    {"term", it->term},
                    {"admitted_ns", it->admitted_ns},
                    {"request_id", it->request_id},
                    {"model", it->model}});
  }
  return Dump({{"arrivals", list}});
}

std::string Record::StatsJson() const {
  return Dump({{"requests", requests_}, {"input_tokens", input_tokens_}, {"output_tokens", output_tokens_}});
}

std::string Record::CancellationsJson() const {
  Json list = Json::array();
  for (const Cancellation& cancellation : cancellations_) {
    list.push_back({{"t_ns", cancellation.t_ns}, {"request_id", cancellation.request_id}});
  }
  return Dump({{"cancellations", list}});
}

}  // namespace aurora::demo
