/* Small helpers every folder may use. */
#ifndef HOST_UTIL_H
#define HOST_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define FOREVER_NS 1000000000000000000ull /* 30 years; keeps time_t arithmetic safe */

#define GUEST_PAGE_SHIFT 12
#define GUEST_PAGE_SIZE 4096u
#define GUEST_PAGE_MASK 4095u

typedef uint64_t gla_t; /* guest linear address */
typedef uint64_t gpa_t; /* guest physical address */

/* Little-endian loads and stores at any alignment. */
static inline uint64_t load_le(const void *p, unsigned size)
{
    uint64_t v = 0;

    __builtin_memcpy(&v, p, size);
    return v;
}

static inline void store_le(void *p, unsigned size, uint64_t v)
{
    __builtin_memcpy(p, &v, size);
}

/* The same for sizes 1, 2, 4 and 8, each a single load or store. */
static inline uint64_t load_sized(const uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return *p;
    case 2:
        return load_le(p, 2);
    case 4:
        return load_le(p, 4);
    default:
        return load_le(p, 8);
    }
}

static inline void store_sized(uint8_t *p, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        store_le(p, 2, value);
        break;
    case 4:
        store_le(p, 4, value);
        break;
    default:
        store_le(p, 8, value);
    }
}

#endif
