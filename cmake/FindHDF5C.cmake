# HDF5::C: the serial C library. CMake's own FindHDF5 needs a C compiler, which nothing else here does.
#
# Debian keeps the header and the library in places named after the variant.

find_library(HDF5C_LIBRARY NAMES hdf5_serial hdf5)
find_path(HDF5C_INCLUDE_DIR hdf5.h PATH_SUFFIXES hdf5/serial)
mark_as_advanced(HDF5C_LIBRARY HDF5C_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(HDF5C REQUIRED_VARS HDF5C_LIBRARY HDF5C_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "Debian has them in the package libhdf5-dev.")

if(HDF5C_FOUND AND NOT TARGET HDF5::C)
    add_library(HDF5::C UNKNOWN IMPORTED)
    set_target_properties(HDF5::C PROPERTIES
        IMPORTED_LOCATION ${HDF5C_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${HDF5C_INCLUDE_DIR})
endif()
