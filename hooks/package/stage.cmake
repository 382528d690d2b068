# What a package has and `cmake --install` has not: CPack runs this on the folder from which it makes the package.
cmake_policy(VERSION 3.22)
set(hooks ${CMAKE_CURRENT_LIST_DIR}/..)
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${root}/usr/share/doc/rewall)

# Without the time and the name, so that the same text makes the same file.
function(compress file)
  execute_process(COMMAND gzip -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB manuals ${root}/usr/share/man/man*/*.[1-9])
foreach(manual ${manuals})
  compress(${manual})
endforeach()

# Each of these does nothing until somebody makes a repository, and names the action in a jail.
# (file(COPY), as file(INSTALL) would go below $DESTDIR, which CPack sets.)
file(COPY ${hooks}/netfilter-persistent/05-rewall DESTINATION ${root}/usr/share/netfilter-persistent/plugins.d)
file(COPY ${hooks}/netfilter-persistent/rewall.conf
     DESTINATION ${root}/usr/lib/systemd/system/netfilter-persistent.service.d)
file(COPY ${hooks}/fail2ban/rewall.conf DESTINATION ${root}/etc/fail2ban/action.d)
foreach(event pre-restore post-restore post-snapshot)
  file(MAKE_DIRECTORY ${root}/etc/rewall/${event}.d)
endforeach()
file(MAKE_DIRECTORY ${root}/var/lib/rewall)
file(CHMOD ${root}/var/lib/rewall PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
# `rewall hooks` reads here which integrations belong to the package.
file(WRITE ${root}/usr/share/rewall/packaged "systemd\nnetfilter-persistent\nfail2ban\n")

if(CPACK_GENERATOR STREQUAL DEB)
  file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
  compress(${doc}/changelog)
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
  file(WRITE ${doc}/changelog.Debian
       "rewall (${version}) unstable; urgency=medium\n\n"
       "  * Package of rewall ${CPACK_PACKAGE_VERSION}; its changes are in changelog.gz.\n\n"
       " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  compress(${doc}/changelog.Debian)
  file(COPY_FILE ${hooks}/package/deb/copyright ${doc}/copyright)
  file(MAKE_DIRECTORY ${root}/usr/share/lintian/overrides)
  file(COPY_FILE ${hooks}/package/deb/overrides ${root}/usr/share/lintian/overrides/rewall)
else()
  file(RENAME ${root}/usr/share/zsh/vendor-completions ${root}/usr/share/zsh/site-functions)
  file(MAKE_DIRECTORY ${root}/usr/share/licenses/rewall)
  file(RENAME ${doc}/copyright ${root}/usr/share/licenses/rewall/LICENSE)
endif()
