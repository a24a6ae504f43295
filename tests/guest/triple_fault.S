/* A fault without a usable IDT shuts the processor down: status 4 with --no-reboot.  SDM 3A 6.15, #DF. */
#include "guest.inc"
        movw    $0, idt_pointer
        lidt    idt_pointer
        ud2
        fail
