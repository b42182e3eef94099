# One folder of src/ is one layer and one target. A layer is compiled with an include path that holds
# only its own folder and those of the layers it links, so an include against the direction of the
# arrows does not compile.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)

add_library(uma_flags INTERFACE)
target_compile_options(uma_flags INTERFACE -Wall -Wextra -Wno-psabi -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 finds overlaps in std::string's operator+ that are not there (GCC bug 105651).
  target_compile_options(uma_flags INTERFACE -Wno-restrict)
endif()
if(UMA_WERROR)
  target_compile_options(uma_flags INTERFACE -Werror)
endif()
if(UMA_SANITIZE)
  target_compile_options(uma_flags INTERFACE -fsanitize=${UMA_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
  target_link_options(uma_flags INTERFACE -fsanitize=${UMA_SANITIZE})
endif()

# uma_layer(name [FOLDER folder] [EXCLUDE subfolder...] [DEPS layer...] [LIBS library...] [TEST_DEPS layer...])
# Makes target uma_<name> from folder/*.cc. Its tests, folder/*_test.cc, become uma_<name>_test when
# uma_tests() runs: a test may use layers above its own (TEST_DEPS), such as a backend that computes.
function(uma_layer name)
  cmake_parse_arguments(L "" "FOLDER" "EXCLUDE;DEPS;LIBS;TEST_DEPS" ${ARGN})
  if(NOT L_FOLDER)
    set(L_FOLDER ${name})
  endif()
  set(dir ${CMAKE_SOURCE_DIR}/src/${L_FOLDER})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  foreach(subfolder ${L_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "^${dir}/${subfolder}/")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  set(include ${CMAKE_BINARY_DIR}/include/${name})
  get_filename_component(parent ${include}/${L_FOLDER} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${dir} ${include}/${L_FOLDER} SYMBOLIC)

  # OBJECT libraries, so that kernels that register themselves are never dropped by the linker.
  if(sources)
    add_library(uma_${name} OBJECT ${sources})
    set(kind PUBLIC)
  else()
    add_library(uma_${name} INTERFACE)
    set(kind INTERFACE)
  endif()
  target_include_directories(uma_${name} ${kind} ${include})
  target_link_libraries(uma_${name} ${kind} uma_flags fmt::fmt ${L_LIBS})
  foreach(dep ${L_DEPS})
    target_link_libraries(uma_${name} ${kind} uma_${dep})
  endforeach()
  set_property(GLOBAL PROPERTY uma_deps_${name} "${L_DEPS}")
  if(tests)
    set_property(GLOBAL APPEND PROPERTY uma_tested_layers ${name})
    set_property(GLOBAL PROPERTY uma_tests_${name} "${tests}")
    set_property(GLOBAL PROPERTY uma_test_deps_${name} "${L_TEST_DEPS}")
  endif()
endfunction()

# uma_link(target layer...): links a program against layers and all that they stand on. OBJECT
# libraries hand on their include paths but not their objects, hence the closure.
function(uma_link target)
  set(todo ${ARGN})
  set(done)
  while(todo)
    list(POP_FRONT todo layer)
    if(NOT layer IN_LIST done)
      list(APPEND done ${layer})
      get_property(deps GLOBAL PROPERTY uma_deps_${layer})
      list(APPEND todo ${deps})
    endif()
  endwhile()
  foreach(layer ${done})
    target_link_libraries(${target} PRIVATE uma_${layer})
  endforeach()
endfunction()

# uma_test(name SOURCES file... LAYERS layer... [LABELS label...]): a GoogleTest program, each test known to ctest.
include(GoogleTest)
function(uma_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LAYERS;LABELS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  uma_link(${name} ${T_LAYERS})
  target_link_libraries(${name} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE UMA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  # LABELS is a list inside a list; an empty one would eat the next property.
  if(T_LABELS)
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 900 LABELS "${T_LABELS}")
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 600)
  endif()
endfunction()

# uma_tests(): the test programs of all layers. Last, when every layer is known.
function(uma_tests)
  get_property(layers GLOBAL PROPERTY uma_tested_layers)
  foreach(name ${layers})
    get_property(sources GLOBAL PROPERTY uma_tests_${name})
    get_property(deps GLOBAL PROPERTY uma_test_deps_${name})
    uma_test(uma_${name}_test SOURCES ${sources} LAYERS ${name} ${deps})
  endforeach()
endfunction()
