# The top-level suites of the test program are exactly those that ctest runs.
#
#   cmake -D PROGRAM=<xtape_tests> -D EXPECTED=<list of suites> -P check_suites.cmake

execute_process(COMMAND ${PROGRAM} --list_content=HRF ERROR_VARIABLE content COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(^|\n)[A-Za-z_0-9]+" found "${content}")
list(TRANSFORM found STRIP)
list(SORT found)
list(SORT EXPECTED)
if(NOT found STREQUAL EXPECTED)
    message(FATAL_ERROR "suites found: ${found}\nfiles:        ${EXPECTED}")
endif()
