"""A peer that speaks SyncService.Control as it likes: frames from proto/aurora/v1/sync.proto, or any bytes.

The Python messages are made by protoc at the first use.
"""
import functools, importlib, os, queue, subprocess, sys, tempfile, time, uuid

import grpc

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


@functools.cache
def sync_pb2():
    out = tempfile.mkdtemp(prefix="aurora-e2e-proto-")
    subprocess.run(["protoc", f"-I{ROOT}/proto", f"--python_out={out}", "aurora/v1/sync.proto", "aurora/v1/row.proto", "aurora/v1/policy.proto"],
                   check=True, timeout=60)
    sys.path.insert(0, out)
    return importlib.import_module("aurora.v1.sync_pb2")


def hello(node_id, **fields):
    """Of a node as ours would say it; wall_unix_ms is now."""
    values = dict(protocol_min=1, protocol_max=1, node_uid=uuid.uuid4().hex, node_id=node_id, node_name=node_id, version="e2e",
                  schema_min=1, schema_max=1, failover_mode="single_node", cluster_role="member", wall_unix_ms=int(time.time() * 1000),
                  epoch=1, heartbeat_interval_ms=2000)
    return sync_pb2().ControlFrame(hello=sync_pb2().Hello(**{**values, **fields}))


class Stream:
    """One Control stream to `host`; raw=True: send() takes bytes."""

    def __init__(self, host, raw=False):
        pb = sync_pb2()
        self.channel = grpc.insecure_channel(f"{host}:7947", options=[("grpc.use_local_subchannel_pool", 1)])
        self.outgoing, self.frames, self.error = queue.Queue(), [], None
        serialize = (lambda b: b) if raw else (lambda frame: pb.ControlRequest(frame=frame).SerializeToString())
        call = self.channel.stream_stream("/aurora.v1.SyncService/Control", request_serializer=serialize,
                                          response_deserializer=pb.ControlResponse.FromString)
        self.call = call(iter(self.outgoing.get, None), timeout=60)

    def send(self, frame):
        self.outgoing.put(frame)
        return self

    def next(self):
        """The next frame; None at the end, and then `error` is how it ended."""
        try:
            self.frames.append(next(self.call).frame)
            return self.frames[-1]
        except StopIteration:
            return None
        except grpc.RpcError as e:
            self.error = e.code()
            return None

    def bye(self):
        """The Bye that ends it; None without one."""
        while (frame := self.next()) is not None:
            if frame.WhichOneof("frame") == "bye":
                return frame.bye
        return None

    def close(self):
        self.outgoing.put(None)
        self.call.cancel()
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
