#include "tools/demo-provider/connection.h"

#include <time.h>

#include <charconv>
#include <utility>

#include "shared/http/encoder.h"
#include "shared/http/url.h"
#include "tools/demo-provider/server.h"

namespace aurora::demo {
namespace {

constexpr size_t kBodyMax = 64 * 1024 * 1024;
constexpr size_t kPipelinedMax = 1024 * 1024;
constexpr Duration kResetDelay = Duration::Millis(20);  // lets the half answer arrive before the RST discards it

int64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

template <class T>
T Parse(std::string_view text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view HeaderValue(const http::Head& head, std::string_view name) {
  const http::Header* header = head.Find(name);
  return header == nullptr ? std::string_view() : header->value;
}

void AppendChunk(std::string& out, std::string_view bytes) {
  char header[http::kChunkHeaderMax];
  out += http::ChunkHeader(bytes.size(), std::span<char, http::kChunkHeaderMax>(header));
  out += bytes;
  out += http::kCrlf;
}

}  // namespace

Connection::Connection(Server& server, std::unique_ptr<uv::TcpStream> stream)
    : server_(server),
      stream_(std::move(stream)),
      decoder_(http::Decoder::Kind::kRequest, server.limits(), server.scratch()) {}

void Connection::Start() {
  stream_->SetObserver(this);
  stream_->NoDelay(true);
  stream_->StartRead();
}

void Connection::OnData(std::span<char> bytes) {
  const std::string_view in(bytes.data(), bytes.size());
  if (closed_) {
    return;
  }
  if (!answering_) {
    Consume(in);
    return;
  }
  pipelined_ += in;
  if (pipelined_.size() > kPipelinedMax) {
    Close(true);
  }
}

void Connection::OnEof() { Close(answering_); }
void Connection::OnStreamError(int) { Close(answering_); }

void Connection::OnDrained() {
  if (close_after_) {
    Close(false);
  }
}

void Connection::Consume(std::string_view in) {
  while (!closed_ && !answering_) {
    switch (decoder_.Next(in)) {
      case http::Decoder::Event::kNeedMore: return;
      case http::Decoder::Event::kHead:
        if (!TakeHead()) {
          return;
        }
        break;
      case http::Decoder::Event::kBody:
        body_ += decoder_.body();
        if (body_.size() > kBodyMax) {
          Close(false);
          return;
        }
        break;
      case http::Decoder::Event::kEnd:
        decoder_.Reset();
        answering_ = true;
        pipelined_ = in;
        Handle();
        return;
      case http::Decoder::Event::kError: {
        keep_alive_ = false;
        answering_ = true;
        Begin(RenderError(Dialect::kOpenAi, decoder_.error().status, decoder_.error().reason, decoder_.error().text));
        return;
      }
    }
  }
}

bool Connection::TakeHead() {
  const http::Head& head = decoder_.head();
  method_ = head.method_text;
  target_ = head.target;
  keep_alive_ = head.keep_alive;
  anthropic_ = head.Find("anthropic-version") != nullptr;
  body_.clear();
  arrival_ = Arrival();
  arrival_.t_ns = ClockNs(CLOCK_BOOTTIME);
  arrival_.node = HeaderValue(head, "x-aurora-node");
  arrival_.term = Parse<int64_t>(HeaderValue(head, "x-aurora-term"));
  arrival_.admitted_ns = Parse<int64_t>(HeaderValue(head, "x-aurora-admitted-ns"));
  arrival_.request_id = HeaderValue(head, "x-request-id");
  if (head.expect_continue) {
    Send(http::kContinue);
  }
  return !closed_;
}

void Connection::Handle() {
  const std::string_view path = http::PathOf(target_);
  const std::string_view query = http::QueryOf(target_);
  demo::Record& record = server_.record();
  Answer answer;
  if (path == "/arrivals") {
    const size_t at = query.find("since=");
    answer.parts.push_back(
        record.ArrivalsJson(at == std::string_view::npos ? 0 : Parse<uint64_t>(query.substr(at + 6))));
  } else if (path == "/stats") {
    answer.parts.push_back(record.StatsJson());
  } else if (path == "/cancellations") {
    answer.parts.push_back(record.CancellationsJson());
  } else {
    Request request;
    request.method = method_;
    request.path = path;
    request.query = query;
    request.body = body_;
    request.anthropic = anthropic_;
    request.unix_s = ClockNs(CLOCK_REALTIME) / 1'000'000'000;
    request.serial = record.requests() + 1;
    answer = Respond(request);
    Record(path, answer);
  }
  Begin(std::move(answer));
}

// Only what would cost money counts: the lists of models do not.
void Connection::Record(std::string_view, const Answer& answer) {
  if (method_ != "POST") {
    return;
  }
  arrival_.model = answer.model;
  server_.record().Arrived(arrival_);
  server_.record().Answered(answer.input_tokens, answer.output_tokens);
}

void Connection::Begin(Answer answer) {
  answer_ = std::move(answer);
  next_part_ = 0;
  if (answer_.end == Answer::End::kNever) {
    return;
  }
  out_.clear();
  http::AppendStatusLine(out_, answer_.status);
  http::AppendHeader(out_, "content-type", answer_.stream ? "text/event-stream" : "application/json");
  http::AppendHeader(out_, "x-request-id", "req_demo_" + std::to_string(server_.record().requests()));
  if (!answer_.retry_after.empty()) {
    http::AppendHeader(out_, "retry-after", answer_.retry_after);
  }
  if (!keep_alive_) {
    http::AppendHeader(out_, "connection", "close");
  }
  if (!answer_.stream) {
    WriteWhole();
    return;
  }
  http::AppendHeader(out_, "cache-control", "no-cache");
  http::AppendHeader(out_, "transfer-encoding", "chunked");
  out_ += http::kCrlf;
  WriteParts();
}

void Connection::WriteWhole() {
  std::string_view body = answer_.parts.front();
  http::AppendHeader(out_, "content-length", static_cast<uint64_t>(body.size()));
  out_ += http::kCrlf;
  if (answer_.end == Answer::End::kReset) {
    body = body.substr(0, body.size() / 2);
  }
  out_ += body;
  Send(out_);
  Finish();
}

void Connection::WriteParts() {
  const size_t end = answer_.end == Answer::End::kReset ? answer_.parts.size() / 2 : answer_.parts.size();
  do {
    if (next_part_ < end) {
      AppendChunk(out_, answer_.parts[next_part_++]);
    }
  } while (answer_.gap_ms == 0 && next_part_ < end);
  const bool done = next_part_ >= end;
  if (done && answer_.end == Answer::End::kClean) {
    out_ += http::kLastChunk;
  }
  Send(out_);
  out_.clear();
  if (closed_) {
    return;
  }
  if (done) {
    Finish();
    return;
  }
  if (timer_ == nullptr) {
    timer_ = std::make_unique<uv::Timer>(server_.loop(), [this] { Tick(); });
  }
  timer_->Start(Duration::Millis(answer_.gap_ms));
}

void Connection::Tick() {
  if (closed_) {
    return;
  }
  if (reset_) {
    stream_->Abort();
    Close(false);
    return;
  }
  WriteParts();
}

void Connection::Finish() {
  if (closed_) {
    return;
  }
  if (answer_.end == Answer::End::kReset) {
    reset_ = true;
    if (timer_ == nullptr) {
      timer_ = std::make_unique<uv::Timer>(server_.loop(), [this] { Tick(); });
    }
    timer_->Start(kResetDelay);
    return;
  }
  answering_ = false;
  if (!keep_alive_) {
    if (stream_->write_queue_bytes() == 0) {
      Close(false);
    } else {
      answering_ = true;  // reads no further request
      close_after_ = true;
    }
    return;
  }
  if (!pipelined_.empty()) {
    const std::string more = std::exchange(pipelined_, {});
    Consume(more);
  }
}

void Connection::Send(std::string_view bytes) {
  const ssize_t written = stream_->TryWrite(bytes);
  if (written < 0) {
    Close(answering_);
    return;
  }
  const auto taken = static_cast<size_t>(written);
  if (taken < bytes.size()) {
    stream_->Write(std::string(bytes.substr(taken)));
  }
}

void Connection::Close(bool cancelled) {
  if (closed_) {
    return;
  }
  closed_ = true;
  if (cancelled && !reset_ && !close_after_) {
    server_.record().Cancelled(ClockNs(CLOCK_BOOTTIME), arrival_.request_id);
  }
  server_.Remove(this);
}

}  // namespace aurora::demo
