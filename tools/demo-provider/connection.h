// Connection: one client of the demo provider: reads a request, then writes its answer part by part.
// Source: ours. Thread: the loop's.   Bounds: 64 MiB of body, 1 MiB of pipelined bytes while an answer runs.
// Errors: whatever fails closes the connection. Invariant: bytes keep being read while an answer runs, so that a
// client that leaves is noticed at once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shared/http/decoder.h"
#include "shared/uv/tcp.h"
#include "shared/uv/timer.h"
#include "tools/demo-provider/answer.h"
#include "tools/demo-provider/record.h"

namespace aurora::demo {

class Server;

class Connection : public uv::StreamObserver {
 public:
  Connection(Server& server, std::unique_ptr<uv::TcpStream> stream);

  void Start();

  void OnData(std::span<char> bytes) override;
  void OnEof() override;
  void OnStreamError(int error) override;
  void OnDrained() override;

 private:
  void Consume(std::string_view in);
  bool TakeHead();
  void Handle();
  void Record(std::string_view path, const Answer& answer);
  void Begin(Answer answer);
  void WriteWhole();
  void WriteParts();
  void Finish();
  void Tick();
  void Send(std::string_view bytes);
  void Close(bool cancelled);

  Server& server_;
  std::unique_ptr<uv::TcpStream> stream_;
  http::Decoder decoder_;
  std::unique_ptr<uv::Timer> timer_;
  std::string method_;
  std::string target_;
  std::string body_;
  std::string pipelined_;
  std::string out_;
  Arrival arrival_;
  bool anthropic_ = false;
  bool keep_alive_ = true;
  bool answering_ = false;
  bool reset_ = false;         // the timer's next tick sends the RST
  bool close_after_ = false;   // close once everything written has left
  bool closed_ = false;
  Answer answer_;
  size_t next_part_ = 0;
};

}  // namespace aurora::demo
