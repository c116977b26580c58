/* tests/clients/with_hiredis.c — a smoke test through hiredis: with_hiredis PORT. Exit code 0: all
 * as expected. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int condition, const char* what) {
  if (!condition) {
    printf("with hiredis: %s\n", what);
    ++failures;
  }
}

static redisReply* command(redisContext* c, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  redisReply* reply = redisvCommand(c, format, arguments);
  va_end(arguments);
  if (reply == NULL) {
    printf("with hiredis: no reply: %s\n", c->errstr);
    exit(1);
  }
  return reply;
}

int main(int argc, char** argv) {
  const struct timeval limit = {5, 0};
  redisContext* c = redisConnectWithTimeout("127.0.0.1", argc > 1 ? atoi(argv[1]) : 6380, limit);
  if (c == NULL || c->err) {
    printf("with hiredis: cannot connect\n");
    return 1;
  }
  redisSetTimeout(c, limit);

  redisReply* r = command(c, "SET hiredis:key %b", "a\0b\r\n", (size_t)5);
  expect(r->type == REDIS_REPLY_STATUS && strcmp(r->str, "OK") == 0, "SET is OK");
  freeReplyObject(r);
  r = command(c, "GET hiredis:key");
  expect(r->type == REDIS_REPLY_STRING && r->len == 5 && memcmp(r->str, "a\0b\r\n", 5) == 0,
         "GET gives the bytes back");
  freeReplyObject(r);
  r = command(c, "GET hiredis:nokey");
  expect(r->type == REDIS_REPLY_NIL, "an absent key is nil");
  freeReplyObject(r);
  r = command(c, "INCR hiredis:key");
  expect(r->type == REDIS_REPLY_ERROR && strncmp(r->str, "ERR ", 4) == 0, "an error is an error");
  freeReplyObject(r);
  r = command(c, "MGET hiredis:key hiredis:nokey");
  expect(r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->type == REDIS_REPLY_NIL,
         "MGET is an array");
  freeReplyObject(r);

  freeReplyObject(command(c, "DEL hiredis:n"));
  const int count = 10000;
  for (int i = 0; i < count; ++i) redisAppendCommand(c, "INCR hiredis:n");
  long long last = 0;
  for (int i = 0; i < count; ++i) {
    if (redisGetReply(c, (void**)&r) != REDIS_OK) {
      printf("with hiredis: the pipeline broke: %s\n", c->errstr);
      return 1;
    }
    expect(r->type == REDIS_REPLY_INTEGER && r->integer == last + 1, "a pipeline answers in order");
    last = r->integer;
    freeReplyObject(r);
  }
  redisFree(c);
  return failures == 0 ? 0 : 1;
}
