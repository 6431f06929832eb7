#include "shared/httpd/server.h"
