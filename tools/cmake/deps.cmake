# Every third-party dependency, found in one place; all come from the distribution's packages.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(simdjson CONFIG REQUIRED)
find_package(tomlplusplus CONFIG REQUIRED)
find_package(Catch2 2 REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(PROM REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# Protobuf (module mode, before gRPC): shared/schema's row envelope and the policy messages need it in both
# processes; only the control plane and aurora-ctl link gRPC.
find_package(Protobuf REQUIRED)
if(NOT AURORA_GRPC_FREE)
  find_package(gRPC CONFIG REQUIRED)
endif()

# llhttp: the distribution ships the generated C, not a library. STRICT_MODE must be set for the header
# and the C alike: without it `X: \rTransfer-Encoding:` parses as a second header (request smuggling).
find_path(LLHTTP_INC llhttp/llhttp.h PATHS /usr/share/include REQUIRED)
find_path(LLHTTP_SRC llhttp.c PATHS /usr/share/llhttp REQUIRED)
add_library(llhttp STATIC ${LLHTTP_SRC}/llhttp.c ${LLHTTP_SRC}/api.c ${LLHTTP_SRC}/http.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INC} ${LLHTTP_INC}/llhttp)
target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
set_target_properties(llhttp PROPERTIES UNITY_BUILD OFF)

find_program(CCACHE ccache)
if(CCACHE)
  # base_dir + no hash_dir: a fresh clone in another folder still hits the cache. No sloppiness about times: a header
  # saved while a file that includes it compiles must not be remembered as what was compiled.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
