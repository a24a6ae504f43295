/* The version, as --version, the control socket's greeting and the manual page give it. */
#ifndef FRONTEND_VERSION_H
#define FRONTEND_VERSION_H

#define RINGER_VERSION_MAJOR 0
#define RINGER_VERSION_MINOR 1
#define RINGER_VERSION_MICRO 0
#define RINGER_VERSION "0.1.0"

#endif
