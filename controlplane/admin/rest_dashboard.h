// The dashboard's files over HTTP, below /admin/dashboard/.
// Source: ours; RFC 9110 8.8.3 and 13.1.2 (ETag, If-None-Match). Internal to controlplane/admin. Thread: stateless.
// Errors: 404 for a file that is not there, 405 for a method other than GET and HEAD. Invariant: nothing here is
// secret, so nothing here asks who is there; every answer forbids inline code and framing.
#pragma once

#include <string_view>

#include "controlplane/dashboard/assets.h"
#include "shared/httpd/server.h"

namespace aurora::admin::rest {

// /admin, /admin/, /admin/dashboard and what is below.
bool IsDashboardPath(std::string_view path);
// A path that names no file is a page of the application: index.html.
httpd::Response DashboardAnswer(const dashboard::Assets& assets, const httpd::Request& request);

}  // namespace aurora::admin::rest
