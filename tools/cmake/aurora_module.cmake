# aurora_module(name SOURCES a.cc ... DEPS aurora::base ...)   one CMake target per module, header-only if no SOURCES
# aurora_binary(name SOURCES ... DEPS ...)                      an executable in build/<preset>/bin
# aurora_test(name SOURCES ... DEPS ... LABELS unit)            one Catch2 binary = one CTest
# aurora_fuzz(name SOURCES ... DEPS ... CORPUS dir)             libFuzzer target, run over its corpus and then 20 s
include_guard()

set(CMAKE_CXX_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -fno-plt -fno-omit-frame-pointer" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -fno-plt -fno-omit-frame-pointer" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "" FORCE)

add_library(aurora_flags INTERFACE)
target_compile_options(aurora_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Werror=switch -Werror=return-type -Werror=unused-result
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict>
  # What a .cc keeps to itself looks to g++ like a header's once a unit includes the file.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${AURORA_WERROR}>:-Werror>)
target_include_directories(aurora_flags INTERFACE ${CMAKE_SOURCE_DIR})

if(AURORA_SANITIZE)
  add_compile_options(-fsanitize=${AURORA_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${AURORA_SANITIZE})
  if(AURORA_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

function(aurora_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(aurora_${name} STATIC ${ARG_SOURCES})
    target_include_directories(aurora_${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(aurora_${name} PUBLIC ${ARG_DEPS} PRIVATE aurora_flags ${ARG_PRIVATE_DEPS})
  else()
    add_library(aurora_${name} INTERFACE)
    target_include_directories(aurora_${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(aurora_${name} INTERFACE ${ARG_DEPS})
  endif()
  add_library(aurora::${name} ALIAS aurora_${name})
endfunction()

function(aurora_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE aurora_flags ${ARG_DEPS})
endfunction()

function(aurora_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;COST" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(AURORA_SANITIZE)
    math(EXPR ARG_TIMEOUT "3 * ${ARG_TIMEOUT}")  # it ends a hang, it measures nothing
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE aurora_flags ${ARG_DEPS} Catch2::Catch2WithMain)
  target_compile_options(${name} PRIVATE -O0)  # Catch's macros cost minutes to optimize; what is tested is a module
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(ARG_COST)
    set_tests_properties(${name} PROPERTIES COST ${ARG_COST})  # about its seconds: a long one must not be the last to start
  endif()
endfunction()

function(aurora_fuzz name)
  if(NOT AURORA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE aurora_flags ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  # New inputs go to the build tree; the committed corpus is read only.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz/${name}.corpus)
  add_test(NAME ${name} COMMAND ${name} -max_total_time=20 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
           ${CMAKE_BINARY_DIR}/fuzz/${name}.corpus ${ARG_CORPUS})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
