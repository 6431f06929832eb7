// The answer's bytes on their way through: whole events forwarded at once, usage read from what passes.
#include "dataplane/exchange/state.h"
#include "dataplane/llm/usage.h"

namespace aurora::exchange {
namespace {

// What a dropped event still owes: the LF of a CRLF that a read boundary cut off from the event before it.
std::string_view LeftOver(std::string_view raw) { return raw.substr(0, raw.front() == '\n' ? 1 : 0); }

}  // namespace

// False when the event is the usage chunk that only we asked for.
bool Exchange::State::KeepEvent(std::string_view raw) {
  if (!answer.metered || !llm::MayReportUsage(raw)) {
    return true;
  }
  char* scratch = ctx.arena->Allocate(raw.size());
  const llm::SseEvent event = llm::ParseSseEvent(raw, scratch);
  if (event.data.data() < scratch || event.data.data() >= scratch + raw.size()) {
    ctx.arena->ShrinkTo(scratch);  // one line, read in place
  }
  llm::ExtractUsage(event.data, record.tokens);
  return !(attempt.injected && llm::IsUsageOnlyChunk(event.data));
}

void Exchange::State::RelaySse(std::string_view bytes, Outbox& out) {
  size_t run = 0;  // whole events from here to `pos` are not yet forwarded
  size_t pos = 0;
  while (pos < bytes.size()) {
    const llm::SseSplitter::Step step = answer.splitter.Next(bytes.substr(pos));
    const std::string_view part = bytes.substr(pos, step.bytes);
    if (answer.oversized) {  // forwarded as it comes
      answer.oversized = !step.complete;
      pos += step.bytes;
      continue;
    }
    if (!step.complete) {
      Emit(bytes.substr(run, pos - run), out);
      answer.carry.Append(*ctx.buffers, part);
      if (answer.carry.size() > kEventBytesMax) {
        Emit(ctx.arena->Copy(answer.carry.view()), out);
        answer.carry.Release();
        answer.oversized = true;
      }
      return;
    }
    if (!answer.carry.empty()) {
      answer.carry.Append(*ctx.buffers, part);
      const std::string_view whole = ctx.arena->Copy(answer.carry.view());
      answer.carry.Release();
      Emit(KeepEvent(whole) ? whole : LeftOver(whole), out);
      run = pos + step.bytes;
    } else if (!KeepEvent(part)) {
      Emit(bytes.substr(run, pos - run + LeftOver(part).size()), out);
      run = pos + step.bytes;
    }
    pos += step.bytes;
  }
  Emit(bytes.substr(run), out);
}

// The end of the body: what was held is an event without its blank line, or the tail of a JSON answer.
void Exchange::State::FlushCarry(Outbox& out) {
  if (answer.carry.empty()) {
    return;
  }
  const std::string_view rest = ctx.arena->Copy(answer.carry.view());
  answer.carry.Release();
  if (answer.sse) {
    if (KeepEvent(rest)) {
      Emit(rest, out);
    }
    return;
  }
  llm::ExtractUsage(rest, record.tokens);
}

// A JSON answer that is whole in one read is searched in place; of others the end is kept.
void Exchange::State::CollectUsage(std::string_view bytes) {
  if (answer.has_length && answer.carry.empty() && bytes.size() == answer.length_left) {
    llm::ExtractUsage(bytes, record.tokens);
    return;
  }
  if (bytes.size() >= kUsageTailBytes) {
    answer.carry.Clear();
    bytes.remove_prefix(bytes.size() - kUsageTailBytes);
  } else if (answer.carry.size() + bytes.size() > 3 * kUsageTailBytes) {
    answer.carry.ConsumeFront(answer.carry.size() - kUsageTailBytes);
  }
  answer.carry.Append(*ctx.buffers, bytes);
}

}  // namespace aurora::exchange
