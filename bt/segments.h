/* Descriptors that segment registers were loaded with lately, so that translated code can load them again (xlat_segment.c, xlat_far.c).
 *
 * An entry says what a descriptor of these eight bytes makes of a segment register when it is loaded by this selector in this ring.
 * Translated code reads the eight bytes that are in the guest's table now and uses the entry if they are the same: so nothing
 * needs to be told when a table is written, moved or replaced.  Only descriptors whose accessed bit is set are here.
 *
 * Private to bt/; machine thread. */
#ifndef BT_SEGMENTS_H
#define BT_SEGMENTS_H

#include "bt/priv.h"

struct seg_entry {
    int32_t minus_id;   /* -(selector | CPL << SEG_ID_CPL_SHIFT); 1: none */
    uint32_t table;     /* 0: GDT, 1: LDT; as a displacement from cpu->gdtr to the register */
    uint32_t index;     /* of the descriptor in it: bytes */
    int32_t minus_kind; /* -kind */
    int64_t minus_last; /* -(index + 7) */
    uint64_t minus_raw; /* -(the descriptor's eight bytes) */
    struct segment seg; /* what the segment register becomes */
    struct seg_check check;
    uint32_t kind;      /* segment_kind() with it */
    uint32_t far;       /* code: place in ctx->far, bytes */
    int64_t minus_serial; /* code: different each time an entry is filled */
} __attribute__((aligned(128)));
#define SEG_ENTRY_SHIFT 7
_Static_assert(sizeof(struct seg_entry) == 1 << SEG_ENTRY_SHIFT, "index of entries");
#define SEG_ID_CPL_SHIFT 16

#define SEG_ENTRIES FAR_ENTRIES
#define SEG_INDEX_BITS 0x3fcu /* of a selector: TI and index, not RPL */
#define SEG_INDEX(sel) (((sel) & SEG_INDEX_BITS) >> 2)
_Static_assert(SEG_INDEX(0xffffu) == SEG_ENTRIES - 1, "one for each");

struct segments {
    struct seg_entry data[SEG_ENTRIES], stack[SEG_ENTRIES], code[SEG_ENTRIES]; /* DS ES FS GS, SS, CS: what may be loaded differs */
    struct seg_entry null[4]; /* by RPL; for data */
    int64_t serial;
};

/* What of a mode says of a segment register: class, 64 KiB, and of SS whether ESP counts. */
#define SEG_KINDS 8u /* but for SS */
static inline unsigned segment_kind(uint32_t mode, unsigned seg)
{
    return (mode >> (MODE_SEG_SHIFT + 2 * seg) & 3) | (mode >> (MODE_64K_SHIFT + seg) & 1) << 2 | (seg == SEG_SS && (mode & MODE_SS32) ? 8 : 0);
}

struct segments *segments_create(void); /* NULL: no memory */
void segments_destroy(struct segments *s);

/* Code of `from` went to `to`: if they differ by a segment register's kind only, such a load goes there from now on. */
void segments_note(struct ctx *from, struct ctx *to);

/* The site of translated code did not know the descriptor.  Make it known and return where the instruction begins, or FAST_DECLINED: then
 * the interpreter shall execute it.  The selector of a load is in hot.fast_operand; the target of a far transfer in far_sel, far_ip. */
const uint8_t *segments_resolve_load(struct bt *bt, const struct callout_site *site);
const uint8_t *segments_resolve_far(struct bt *bt, const struct callout_site *site);

#endif
