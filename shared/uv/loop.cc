#include "shared/uv/loop.h"

#include "shared/uv/mailbox.h"
#include "shared/uv/resolver.h"
#include "shared/uv/tcp.h"
#include "shared/uv/timer.h"
