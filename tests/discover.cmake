# Writes OUTPUT, which tells ctest of each test case of PROGRAM: those of FILES, which are in FOLDER. LIST are the words
# that make the program name its test cases.
#
# A test has for labels its folder, and those folders of src/ops that it is a test of. `ctest -L '^guard$'` runs what a
# change of src/ops/guard has to pass first.

cmake_minimum_required(VERSION 3.22)

set(of_context ops/event_hooks ops/identity ops/pid_lock ops/settings ops/state_file
               cli/fault cli/hooks cli/hints cli/modes cli/state_files cli/trust)
set(of_history ops/blame ops/record ops/foreign cli/blame cli/log cli/import cli/sign cli/verify cli/everyday hooks/export)
set(of_restore ops/restore ops/journal ops/partial_read ops/foreign cli/apply cli/everyday cli/foreign cli/injection cli/undo
               cli/concurrent_change cli/atomic_restore kill/kill)
set(of_guard ops/guard cli/boot cli/guard cli/guard_boot cli/guard_command cli/guard_death cli/guard_owned cli/guard_terminal cli/systemd cli/undo)
set(of_expiry cli/expire)
set(of_remote hostile/hostile share/https share/push_queue share/remote_address share/share share/ssh cli/gc)
set(of_watch ops/attribution ops/cpu_budget ops/pending_changes ops/ruleset_state cli/attribution cli/systemd cli/watch)
set(of_fleet cli/fleet)
set(of_host ops/integrations cli/doctor cli/edit cli/without_ipv6 hooks/integrations)
# Those that take longest begin first.
set(long cli/atomic_restore cli/guard cli/guard_boot cli/guard_death stress/stress cli/injection cli/watch cli/gc kill/kill kernel/corpus diff/commands
         diff/property diff/compare diff/text_delta store/fault rules/parse)

# These switch the kernel's audit trail on and off, which is the machine's: one at a time.
set(audit cli/attribution)
# These start the program many times. With REWALL_RELEASE, of four one runs what was built with the tests, the others
# the program as people get it, which starts five times as fast.
set(of_program cli hooks share hostile kill)
set(parts context history restore expiry guard remote watch fleet host)

# A file that is gone, or has another name, is no longer spoken of.
foreach(name ${audit} ${long} ${of_context} ${of_history} ${of_restore} ${of_expiry} ${of_guard} ${of_remote} ${of_watch} ${of_fleet} ${of_host})
  get_filename_component(folder ${name} DIRECTORY)
  get_filename_component(file ${name}_test.cpp NAME)
  if(folder STREQUAL FOLDER AND NOT file IN_LIST FILES)
    message(FATAL_ERROR "tests/discover.cmake: there is no tests/${name}_test.cpp")
  endif()
endforeach()

set(script "")
set(count 0)
foreach(file ${FILES})
  string(REGEX REPLACE "\\.cpp$" "" tag ${file})
  string(REGEX REPLACE "_test$" "" name ${FOLDER}/${tag})
  set(labels ${FOLDER})
  foreach(part ${parts})
    if(name IN_LIST of_${part})
      list(APPEND labels ${part})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES labels)
  set(cost 0)
  if(name IN_LIST long)
    set(cost 100)
  endif()
  set(lock "")
  if(name IN_LIST audit)
    set(lock " RESOURCE_LOCK audit")
  endif()
  # What is hidden takes long, and is run by hand.
  execute_process(COMMAND ${PROGRAM} --filenames-as-tags "[#${tag}]~[.]" ${LIST} OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  string(REPLACE ";" "\\;" output "${output}")
  string(REPLACE "\n" ";" output "${output}")
  foreach(test IN LISTS output)
    if(test STREQUAL "")
      continue()
    endif()
    set(program " ENVIRONMENT_MODIFICATION REWALL_RELEASE=unset:")
    math(EXPR count "(${count} + 1) % 4")
    if(count AND FOLDER IN_LIST of_program)
      set(program "")
    endif()
    string(REGEX REPLACE "([][\\,\"])" "\\\\\\1" spec "${test}")
    string(APPEND script "add_test([==[${name}: ${test}]==] [==[${PROGRAM}]==] [==[${spec}]==])\n"
           "set_tests_properties([==[${name}: ${test}]==] PROPERTIES LABELS \"${labels}\" SKIP_RETURN_CODE 77 COST ${cost}${lock}${program})\n")
  endforeach()
endforeach()
if(script STREQUAL "")
  message(FATAL_ERROR "${PROGRAM} names no test case: ${errors}")
endif()
file(WRITE ${OUTPUT} "${script}")
