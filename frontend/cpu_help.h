/* "--cpu help": the models and features as text. */
#ifndef FRONTEND_CPU_HELP_H
#define FRONTEND_CPU_HELP_H

#include <stdio.h>

void cpu_help(FILE *out);

#endif
