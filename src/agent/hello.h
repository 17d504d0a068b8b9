/* Answers HELLO. */
#ifndef ATOLL_AGENT_HELLO_H
#define ATOLL_AGENT_HELLO_H

/* Sends the DONE frame and closes fd. */
void hello_answer(int fd);

#endif
