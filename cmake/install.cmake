# `cmake --install BUILD --prefix DIR`: bin/uma; lib/libuma.so, include/uma and lib/cmake/uma, with which another
# project says find_package(uma) and links uma::uma. In the build tree uma::uma is the same library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(public ${CMAKE_BINARY_DIR}/include/public)
set(stamp ${CMAKE_BINARY_DIR}/public_headers.stamp)
file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.h)
add_custom_command(
  OUTPUT ${stamp}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/src -DTARGET=${public} -P
          ${CMAKE_SOURCE_DIR}/cmake/public_headers.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
  DEPENDS ${headers} ${CMAKE_SOURCE_DIR}/cmake/public_headers.cmake
  COMMENT "Public headers")
add_custom_target(uma_public_headers DEPENDS ${stamp})

set_target_properties(uma_shared PROPERTIES OUTPUT_NAME uma EXPORT_NAME uma VERSION ${PROJECT_VERSION}
                                            SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
add_dependencies(uma_shared uma_public_headers)
target_compile_features(uma_shared PUBLIC cxx_std_20)
target_include_directories(uma_shared INTERFACE $<BUILD_INTERFACE:${public}>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(uma_shared INTERFACE fmt::fmt)  # errors are formatted where they are thrown
if(NOT UMA_SANITIZE)
  target_link_options(uma_shared PRIVATE -Wl,--no-undefined)
endif()
add_library(uma::uma ALIAS uma_shared)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/uma)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/uma-config.cmake.in ${CMAKE_BINARY_DIR}/uma-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/uma-config-version.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS uma RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS uma_shared EXPORT uma-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${public}/uma DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT uma-targets NAMESPACE uma:: DESTINATION ${package})
install(FILES ${CMAKE_BINARY_DIR}/uma-config.cmake ${CMAKE_BINARY_DIR}/uma-config-version.cmake
        DESTINATION ${package})
