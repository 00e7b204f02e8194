# One library per folder: xtape_library(nn) makes the target xtape_nn, known to users as xtape::nn, of every source below nn/.
#
# Includes read <xtape/nn/linear.hpp> in the source tree and after installation alike, so the build tree gets an
# include/xtape/ of links to the folders.

set(XTAPE_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${XTAPE_INCLUDE_DIR}/xtape)

# xtape_public_headers(<target> PUBLIC|INTERFACE <path below the source tree>...): headers to install, and to compile alone.
function(xtape_public_headers target scope)
    list(TRANSFORM ARGN PREPEND ${XTAPE_INCLUDE_DIR}/xtape/ OUTPUT_VARIABLE headers)
    foreach(header IN LISTS ARGN)
        string(REGEX MATCH "^[^/]+" entry ${header})
        file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${entry} ${XTAPE_INCLUDE_DIR}/xtape/${entry} SYMBOLIC)
    endforeach()
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${XTAPE_INCLUDE_DIR} FILES ${headers})
    set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

function(xtape_library folder)
    set(target xtape_${folder})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} *.hpp)
    list(FILTER headers EXCLUDE REGEX "^autograd/(kernels|ops)/")  # the inside of autograd

    add_library(${target} ${sources})
    add_library(xtape::${folder} ALIAS ${target})
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME ${folder}
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
        INSTALL_RPATH "$ORIGIN")  # shared libraries find one another
    target_compile_features(${target} PUBLIC cxx_std_17)
    xtape_public_headers(${target} PUBLIC ${headers})
    xtape_warnings(${target})
    xtape_sanitize(${target})
endfunction()
