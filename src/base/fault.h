/* Fault points: labelled steps at which a test can make a daemon kill itself or fail. */
#ifndef ATOLL_BASE_FAULT_H
#define ATOLL_BASE_FAULT_H

/*
 * FAULT_POINT("create.recorded") marks one step. In builds with -Dfault_points=true the variable
 * ATOLL_FAULT="create.recorded" (optionally ":N", the N-th time it is reached, default 1) makes the daemon
 * die there of SIGKILL, also when the step is a forked helper's, which dies with it. With "=stop" behind it the
 * process that reached the step stops there (SIGSTOP), until a test lets it go on. In other builds it
 * costs nothing. tests/fault reads the labels from the sources, so a label must be a string literal on the line
 * of the macro.
 */
#ifdef ATOLL_FAULT_POINTS
void fault_point_reached(const char *label);
#define FAULT_POINT(label) fault_point_reached(label)
#else
#define FAULT_POINT(label) ((void)0)
#endif

#endif
