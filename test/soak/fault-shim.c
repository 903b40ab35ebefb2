/*
 * Preloaded into a process whose disk is to fail. What fails, and when, stands in a page of memory that the test has
 * mapped too, so that it can change its mind while the process runs. Only files below one folder are touched.
 *
 * FAULT_CONTROL: file with the page. FAULT_FOLDER: the folder. Layout of the page, in 64-bit numbers:
 *   0 mode      0 nothing fails; 1 one sync fails; 2 every sync fails from one on; 3 there is a bound on space
 *   1 countdown syncs of the target that still succeed
 *   2 target    0 any file; 1 a write-ahead log; 2 a database
 *   3 space     bytes by which files may still grow (mode 3)
 *   4 failed    how many calls were made to fail
 *   5 syncs     how many syncs of the target there were
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE, COUNTDOWN, TARGET, SPACE, FAILED, SYNCS, FIELDS };

static volatile int64_t *page;
static const char *folder;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void open_control(void) {
  const char *name = getenv("FAULT_CONTROL");
  folder = getenv("FAULT_FOLDER");
  if (name == NULL || folder == NULL) return;
  int fd = open(name, O_RDWR);
  if (fd < 0) return;
  void *mapped = mmap(NULL, FIELDS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) page = mapped;
}

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int is_inside(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

/* Whether a descriptor is a file of the folder; its path. */
static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_inside(path);
}

static int is_target(const char *path) {
  if (page[TARGET] == 1) return ends_with(path, "-wal");
  if (page[TARGET] == 2) return ends_with(path, ".db");
  return 1;
}

static int fails_to_sync(int fd) {
  char path[4096];
  if (page == NULL || !path_of(fd, path, sizeof path) || !is_target(path)) return 0;
  pthread_mutex_lock(&lock);
  int fails = 0;
  page[SYNCS]++;
  if (page[MODE] == 1 || page[MODE] == 2) {
    if (page[COUNTDOWN] > 0) {
      page[COUNTDOWN]--;
    } else {
      fails = 1;
      page[FAILED]++;
      if (page[MODE] == 1) page[MODE] = 0;
    }
  }
  pthread_mutex_unlock(&lock);
  if (fails) errno = EIO;
  return fails;
}

/* Whether a file may grow to `end` bytes. */
static int has_no_space(int fd, off_t end) {
  char path[4096];
  struct stat found;
  if (page == NULL || page[MODE] != 3 || !path_of(fd, path, sizeof path)) return 0;
  if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || end <= found.st_size) return 0;
  pthread_mutex_lock(&lock);
  int64_t more = end - found.st_size;
  int fails = more > page[SPACE];
  if (fails) page[FAILED]++;
  else page[SPACE] -= more;
  pthread_mutex_unlock(&lock);
  if (fails) errno = ENOSPC;
  return fails;
}

static void give_back(int64_t bytes) {
  pthread_mutex_lock(&lock);
  page[SPACE] += bytes;
  pthread_mutex_unlock(&lock);
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int fd) {
  REAL(fsync);
  return fails_to_sync(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return fails_to_sync(fd) ? -1 : real(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  REAL(pwrite);
  return has_no_space(fd, offset + (off_t)count) ? -1 : real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  REAL(pwrite64);
  return has_no_space(fd, offset + (off_t)count) ? -1 : real(fd, bytes, count, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(write);
  if (page != NULL && page[MODE] == 3) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && has_no_space(fd, at + (off_t)count)) return -1;
  }
  return real(fd, bytes, count);
}

int posix_fallocate(int fd, off_t offset, off_t count) {
  REAL(posix_fallocate);
  return has_no_space(fd, offset + count) ? ENOSPC : real(fd, offset, count);
}

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  char path[4096];
  struct stat found;
  if (page != NULL && page[MODE] == 3 && path_of(fd, path, sizeof path) && fstat(fd, &found) == 0 && size < found.st_size)
    give_back(found.st_size - size);
  return real(fd, size);
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static void before_unlink(const char *path) {
  struct stat found;
  if (page != NULL && page[MODE] == 3 && is_inside(path) && stat(path, &found) == 0 && S_ISREG(found.st_mode))
    give_back(found.st_size);
}

int unlink(const char *path) {
  REAL(unlink);
  before_unlink(path);
  return real(path);
}

int remove(const char *path) {
  REAL(remove);
  before_unlink(path);
  return real(path);
}

int unlinkat(int fd, const char *path, int flags) {
  REAL(unlinkat);
  if (path[0] == '/') before_unlink(path);
  return real(fd, path, flags);
}
