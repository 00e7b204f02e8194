# Installs the build tree into a fresh prefix, then configures, builds and runs a project that knows nothing but that prefix.
#
#   cmake -D BUILD=<build tree> -D WORK=<scratch folder> -D GENERATOR=<name> -P run.cmake

function(run)
    execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
# Debug: a user's plain -O0 code comes first on the link line and must not spoil the library's.
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G ${GENERATOR}
    -D CMAKE_PREFIX_PATH=${WORK}/prefix -D CMAKE_BUILD_TYPE=Debug)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
