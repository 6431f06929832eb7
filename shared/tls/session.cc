#include "shared/tls/session.h"
