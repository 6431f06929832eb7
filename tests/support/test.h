// The one header tests include for the framework (Catch2 v2 today).
// Test names are sentences that state the law and never begin with '-'.
#pragma once

#include <catch2/catch.hpp>
