// gRPC's own error lines as lines of our log. Source: ours; gRPC 1.51 writes them to stderr in a format of its own.
// Thread: any, once per process; the lines come from gRPC's threads. Bounds: one line a second, what lies between is
// counted on the next; "No match found for server name" is left out: peers are dialled by address, so it is always so.
#pragma once

namespace aurora::peers {

void RouteGrpcLog();

}  // namespace aurora::peers
