# Installation: headers, libraries, and what find_package(xtape) needs.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xtape)
set(config ${PROJECT_BINARY_DIR}/xtape-config.cmake)
set(version ${PROJECT_BINARY_DIR}/xtape-config-version.cmake)

install(TARGETS xtape xtape_autograd xtape_nn xtape_optim xtape_datasets
        EXPORT xtape-targets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT xtape-targets NAMESPACE xtape:: DESTINATION ${package_dir})

configure_package_config_file(cmake/xtape-config.cmake.in ${config} INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${version} COMPATIBILITY SameMinorVersion)
install(FILES ${config} ${version} cmake/FindOpenBLAS.cmake cmake/FindHDF5C.cmake
        DESTINATION ${package_dir})
