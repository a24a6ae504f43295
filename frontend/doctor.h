/* "ringer doctor": what this host lacks, one line each. */
#ifndef FRONTEND_DOCTOR_H
#define FRONTEND_DOCTOR_H

#include <stdio.h>

/* Status 0 when all that is needed is there, else EXIT_HOST. */
int doctor(FILE *out);

#endif
