#include "shared/http/decoder.h"

#include "shared/http/encoder.h"
#include "shared/http/inflate.h"
#include "shared/http/url.h"
